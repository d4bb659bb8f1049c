/** @file A cache of sessions, so that each graph is compiled once. */

import { RuntimeFailure } from "../core/errors.js";
import type { Session } from "../runtime/engine.js";

export class SessionCache {
  private readonly sessions = new Map<string, Promise<Session>>();
  private closed = false;

  /** The session under `key`, built on first use. */
  get(key: string, build: () => Promise<Session>): Promise<Session> {
    if (this.closed) return Promise.reject(new RuntimeFailure("this pipeline is closed"));
    const known = this.sessions.get(key);
    if (known !== undefined) return known;
    const session = build();
    this.sessions.set(key, session);
    session.catch(() => this.sessions.delete(key));
    return session;
  }

  /** Frees all sessions; `get` fails afterwards. */
  close(): Promise<void> {
    this.closed = true;
    return this.release();
  }

  /** Frees every session whose key starts with `prefix`. */
  async release(prefix = ""): Promise<void> {
    for (const [key, session] of [...this.sessions]) {
      if (!key.startsWith(prefix)) continue;
      this.sessions.delete(key);
      await (await session).release();
    }
  }
}
