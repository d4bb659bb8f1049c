/** @file An engine in a worker thread: sends requests, checks inputs, and adds context to errors. */

import { Worker } from "node:worker_threads";
import { RuntimeFailure } from "../core/errors.js";
import { formatShape, sameShape, sizeOf, type Tensor } from "../core/tensor.js";
import type { OnnxModel, Target, TensorSpec } from "../graph/onnx/model.js";
import type { CompileOptions, Engine, Library, NamedTensors, Precision, Provider, Session } from "./engine.js";
import type { Answer, Numbered, Request } from "./worker-protocol.js";

export type EngineDescription = Pick<Engine, "library" | "provider" | "precision" | "target" | "repackingTarget">;

/** Base class of engines. An idle worker thread does not keep the process alive. */
export abstract class WorkerEngine implements Engine {
  readonly library: Library;
  readonly provider: Provider;
  readonly precision: Precision;
  readonly target: Target;
  readonly repackingTarget: Target | null;
  private readonly worker: Worker;
  private readonly waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  private requestCount = 0;
  private failure: RuntimeFailure | null = null;

  protected constructor(description: EngineDescription, script: URL, settings: unknown) {
    const { library } = description;
    this.library = library;
    this.provider = description.provider;
    this.precision = description.precision;
    this.target = description.target;
    this.repackingTarget = description.repackingTarget;
    // The worker must not inherit flags of the process, such as those of `node --eval`.
    this.worker = new Worker(script, { workerData: settings, execArgv: [] });
    this.worker.on("message", ({ id, body }: Numbered<Answer>) => {
      const request = this.waiting.get(id);
      this.settle(id);
      if (body.kind === "failed") request?.reject(new RuntimeFailure(body.message));
      else request?.resolve(body);
    });
    this.worker.on("error", (error) => this.fail(`the ${library} worker failed: ${error.message}`));
    this.worker.on("exit", (code) => this.fail(`the ${library} worker ended with code ${code}`));
    // After the listeners, because adding a message listener refs the worker again.
    this.worker.unref();
  }

  async compile(model: OnnxModel, options: CompileOptions = {}): Promise<Session> {
    const answer = await this.ask({ kind: "compile", model, options }).catch((error: Error) => {
      throw new RuntimeFailure(`provider ${this.provider} cannot prepare the model: ${error.message}`);
    });
    if (answer.kind !== "compiled") throw new RuntimeFailure(`unexpected answer ${answer.kind}`);
    const { session } = answer;
    const release = async () => {
      await this.ask({ kind: "release", session });
    };
    return {
      inputs: model.inputs,
      outputs: model.outputs,
      run: async (feeds) => {
        checkFeeds(model.inputs, feeds);
        const copies = copied(feeds);
        const buffers = Object.values(copies).map(({ data }) => data.buffer as ArrayBuffer);
        const ran = await this.ask({ kind: "run", session, feeds: copies }, buffers);
        if (ran.kind !== "ran") throw new RuntimeFailure(`unexpected answer ${ran.kind}`);
        return ran.results;
      },
      release,
      [Symbol.asyncDispose]: release,
    };
  }

  async close(): Promise<void> {
    // Terminating a worker inside a run aborts the process, so reject new requests and wait for pending ones.
    this.failure ??= new RuntimeFailure("the engine is closed");
    await Promise.allSettled([...this.waiting.keys()].map((id) => this.finished(id)));
    await this.worker.terminate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private ask(request: Request, transfers: readonly ArrayBuffer[] = []): Promise<Answer> {
    if (this.failure !== null) return Promise.reject(this.failure);
    const id = ++this.requestCount;
    const message: Numbered<Request> = { id, body: request };
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.ref();
      this.worker.postMessage(message, transfers);
    });
  }

  private finished(id: number): Promise<void> {
    return new Promise((resolve) => {
      const poll = () => (this.waiting.has(id) ? setTimeout(poll, 5) : resolve());
      poll();
    });
  }

  private settle(id: number): void {
    this.waiting.delete(id);
    if (this.waiting.size === 0) this.worker.unref();
  }

  private fail(message: string): void {
    this.failure ??= new RuntimeFailure(message);
    for (const [id, { reject }] of this.waiting) {
      this.settle(id);
      reject(this.failure);
    }
  }
}

/** Copies only the elements; a message would copy the entire buffer behind a tensor. */
function copied(feeds: NamedTensors): NamedTensors {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]): [string, Tensor] => {
      // A Uint8Array may be a Buffer, whose slice shares memory.
      const data = tensor.dtype === "bool" ? Uint8Array.from(tensor.data) : tensor.data.slice();
      return [name, { ...tensor, data } as Tensor];
    }),
  );
}

/** Checks that every input is present with the right type and shape, and that there are no others. */
function checkFeeds(specs: readonly TensorSpec[], feeds: NamedTensors): void {
  for (const { name, dtype, shape } of specs) {
    const tensor = feeds[name];
    if (tensor === undefined) throw new RuntimeFailure(`input ${name} is missing`);
    if (tensor.dtype !== dtype || !sameShape(tensor.shape, shape) || tensor.data.length !== sizeOf(shape)) {
      const given = `${tensor.dtype}${formatShape(tensor.shape)} with ${tensor.data.length} elements`;
      throw new RuntimeFailure(`input ${name} must be ${dtype}${formatShape(shape)}, got ${given}`);
    }
  }
  const known = new Set(specs.map(({ name }) => name));
  const extra = Object.keys(feeds).filter((name) => !known.has(name));
  if (extra.length > 0) throw new RuntimeFailure(`the model has no input ${extra.join(", ")}`);
}
