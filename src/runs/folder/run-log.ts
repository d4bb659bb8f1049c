/** @file `log.jsonl`: one line per step and validation. A resumed run removes the lines of steps that it repeats. */

import { appendFile, open, readFile } from "node:fs/promises";
import { z } from "zod";
import { messageOf, RuntimeFailure } from "../../core/errors.js";
import { writeFileAtomic } from "../../core/files.js";
import { isMissing } from "../../core/missing.js";

const lineSchema = z.looseObject({ step: z.number() });
export type LogLine = z.infer<typeof lineSchema>;

export class RunLog {
  constructor(readonly file: string) {}

  /** Starts an empty log. */
  async begin(): Promise<void> {
    await writeFileAtomic(this.file, "");
  }

  async append(line: { readonly step: number } & Readonly<Record<string, unknown>>): Promise<void> {
    await this.attempt(() => appendFile(this.file, `${JSON.stringify(line)}\n`));
  }

  /** Waits until all lines are on disk. */
  async sync(): Promise<void> {
    await this.attempt(async () => {
      const handle = await open(this.file, "a");
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
  }

  /** Keeps the lines up to `step` and returns them; drops a last line that a kill has truncated. */
  async rewind(step: number): Promise<LogLine[]> {
    const bytes = await this.read();
    const kept: LogLine[] = [];
    const lines: Uint8Array[] = [];
    for (let start = 0; start < bytes.length; ) {
      const newline = bytes.indexOf("\n", start);
      const end = newline < 0 ? bytes.length : newline + 1;
      const line = bytes.subarray(start, end);
      const parsed = parse(line.toString());
      if (parsed !== undefined && parsed.step <= step) {
        kept.push(parsed);
        lines.push(line);
        if (newline < 0) lines.push(Buffer.from("\n"));
      }
      start = end;
    }
    await writeFileAtomic(this.file, ...lines);
    return kept;
  }

  /** The bytes, since a string of Node has at most 512 MiB; empty if there is no log. */
  private async read(): Promise<Buffer> {
    try {
      return await readFile(this.file);
    } catch (error) {
      if (isMissing(error)) return Buffer.alloc(0);
      throw new RuntimeFailure(`cannot read ${this.file}: ${messageOf(error)}`, { cause: error });
    }
  }

  private async attempt(body: () => Promise<void>): Promise<void> {
    await body().catch((error: unknown) => {
      throw new RuntimeFailure(`cannot write ${this.file}: ${messageOf(error)}`, { cause: error });
    });
  }
}

function parse(line: string): LogLine | undefined {
  try {
    return lineSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
