/** @file The worker's side of an engine: takes requests one after the other, keeps sessions by number, answers. */

import { parentPort } from "node:worker_threads";
import { messageOf } from "../core/errors.js";
import type { OnnxModel } from "../graph/onnx/model.js";
import type { CompileOptions, NamedTensors } from "./engine.js";
import type { Answer, Numbered, Request } from "./worker-protocol.js";

/** A model as the native library holds it. */
export interface NativeSession {
  /** Results are arrays of their own: they are handed to the main thread. */
  run(feeds: NamedTensors): Promise<NamedTensors> | NamedTensors;
  release(): Promise<void> | void;
}

/** A native library, ready to compile models. */
export interface Native {
  compile(model: OnnxModel, options: CompileOptions): Promise<NativeSession>;
  /** What of an error's message a user can read. */
  plainMessage(message: string): string;
}

/**
 * Serves the main thread's requests. `load` is called at the first one: while it is waited for, nobody ends this
 * thread, and ending it while a native library loads aborts the process.
 */
export function serve(load: () => Promise<Native>): void {
  let native: Promise<Native> | null = null;
  const sessions = new Map<number, NativeSession>();
  let sessionCount = 0;

  async function handle(request: Request, { compile }: Native): Promise<Answer> {
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
      return { kind: "failed", message: loaded?.plainMessage(message) ?? message };
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
