/** @file An engine that counts its open sessions. */

import type { Engine, Session } from "../../runtime/engine.js";

export interface CountingEngine {
  readonly engine: Engine;
  /** Number of sessions that were compiled and not yet released. */
  open(): number;
}

export function countingEngine(engine: Engine): CountingEngine {
  const sessions = new Set<Session>();
  const counting: Engine = {
    library: engine.library,
    provider: engine.provider,
    precision: engine.precision,
    target: engine.target,
    repackingTarget: engine.repackingTarget,
    async compile(model, options) {
      const session = await engine.compile(model, options);
      sessions.add(session);
      const release = async () => {
        sessions.delete(session);
        await session.release();
      };
      return { ...session, release, [Symbol.asyncDispose]: release };
    },
    close: () => engine.close(),
    [Symbol.asyncDispose]: () => engine.close(),
  };
  return { engine: counting, open: () => sessions.size };
}
