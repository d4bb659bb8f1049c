/** @file `log.jsonl`: one line a step, and what was measured on the way; a run that goes on takes back what it will do again. */

import { appendFile, open, readFile } from "node:fs/promises";
import { z } from "zod";
import { messageOf, RuntimeFailure } from "../../core/errors.js";
import { writeFileAtomic } from "../../core/files.js";

const lineSchema = z.looseObject({ step: z.number() });
export type LogLine = z.infer<typeof lineSchema>;

export class RunLog {
  constructor(readonly file: string) {}

  /** Begins an empty log. */
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

  /** Keeps the lines up to `step` and returns them; a last line that was cut off by a kill is dropped too. */
  async rewind(step: number): Promise<LogLine[]> {
    const text = await readFile(this.file, "utf8").catch(() => "");
    const kept = text.split("\n").flatMap((line) => {
      const parsed = parse(line);
      return parsed === undefined || parsed.step > step ? [] : [{ line, parsed }];
    });
    await writeFileAtomic(this.file, kept.map(({ line }) => `${line}\n`).join(""));
    return kept.map(({ parsed }) => parsed);
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
