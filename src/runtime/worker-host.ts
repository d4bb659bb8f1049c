/** @file The worker's side of an engine: handles requests one at a time and stores sessions by number. */

import { parentPort } from "node:worker_threads";
import { messageOf } from "../core/errors.js";
import type { OnnxModel } from "../graph/onnx/model.js";
import type { CompileOptions, NamedTensors } from "./engine.js";
import type { Answer, Numbered, Request } from "./worker-protocol.js";

/** A model compiled by the native library. */
export interface NativeSession {
  /** Results must not share memory with the library, because they are transferred to the main thread. */
  run(feeds: NamedTensors): Promise<NamedTensors> | NamedTensors;
  release(): Promise<void> | void;
}

/** A native library, ready to compile models. */
export interface NativeLibrary {
  compile(model: OnnxModel, options: CompileOptions): Promise<NativeSession>;
  /** Reduces a library's error message to what helps a user. */
  readableMessage(message: string): string;
}

/**
 * Serves the main thread's requests. `load` is called at the first request: the main thread does not terminate this thread
 * during a request, and terminating it while a native library loads would abort the process.
 */
export function serve(load: () => Promise<NativeLibrary>): void {
  let native: Promise<NativeLibrary> | null = null;
  const sessions = new Map<number, NativeSession>();
  let sessionCount = 0;

  async function handle(request: Request, { compile }: NativeLibrary): Promise<Answer> {
    switch (request.kind) {
      case "compile": {
        const session = await compile(request.model, request.options);
        sessions.set(++sessionCount, session);
        return { kind: "compiled", session: sessionCount };
      }
      case "run": {
        const session = sessions.get(request.session);
        if (session === undefined) throw new Error("the session has been released");
        return { kind: "ran", results: await session.run(request.feeds) };
      }
      case "release": {
        await sessions.get(request.session)?.release();
        sessions.delete(request.session);
        return { kind: "released" };
      }
    }
  }

  async function answer(request: Request): Promise<Answer> {
    try {
      native ??= load();
      return await handle(request, await native);
    } catch (error) {
      const loaded = await native?.catch(() => null);
      const message = messageOf(error);
      return { kind: "failed", message: loaded?.readableMessage(message) ?? message };
    }
  }

  let queue = Promise.resolve();
  parentPort?.on("message", ({ id, body }: Numbered<Request>) => {
    queue = queue.then(async () => {
      const reply: Numbered<Answer> = { id, body: await answer(body) };
      const results = reply.body.kind === "ran" ? Object.values(reply.body.results) : [];
      parentPort?.postMessage(reply, results.map(({ data }) => data.buffer) as ArrayBuffer[]);
    });
  });
}
