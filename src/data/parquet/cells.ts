/** @file Reads cells of byte columns: all of a row group in order, or one by its row. */

import type { CompressionCodec } from "hyparquet";
import { InputError } from "../../core/errors.js";
import { type ByteSource, withByteSource } from "../byte-source.js";
import { chunkOf, type LeafColumn, type RowGroup } from "./footer.js";
import { findPages, type PageTable, type PageValues, readDictionary, readPage } from "./pages.js";

/** Yields the values of each row: none for null or an empty list, several only in a list column. */
export async function* readRows(
  source: ByteSource,
  column: LeafColumn,
  group: RowGroup,
): AsyncGenerator<readonly Uint8Array[]> {
  const chunk = chunkOf(group, column);
  const pages = await findPages(source, chunk);
  const dictionary =
    pages.dictionary === undefined ? undefined : await readDictionary(source, chunk.codec, pages.dictionary);
  let [row, rows]: [Uint8Array[] | undefined, number] = [undefined, 0];
  for (const offset of pages.offsets) {
    const { repetition, definition, bytes } = await readPage(source, column, chunk.codec, offset, dictionary);
    let next = 0;
    for (let i = 0; i < (definition ?? repetition ?? bytes).length; i++) {
      if (repetition === undefined || repetition[i] === 0) {
        if (row !== undefined) yield row;
        row = [];
        rows++;
      }
      if (definition !== undefined && definition[i] !== column.maxDefinition) continue;
      const value = bytes[next++];
      if (value !== undefined) row?.push(value);
    }
  }
  if (row !== undefined) yield row;
  if (rows !== group.rows) {
    const name = column.path.join(".");
    throw new InputError(`${source.file} is damaged: column ${name} has ${rows} rows, its group has ${group.rows}`);
  }
}

/** Reads single cells by row: decodes only the page with the row, and keeps the last page. */
export class CellReader {
  private page: { readonly key: string; readonly values: PageValues } | undefined;
  private dictionary: { readonly key: string; readonly values: readonly Uint8Array[] } | undefined;

  /** The cell of `column`, which must not be a list, in row `row` of the group; undefined if it is null. */
  async read(
    file: string,
    column: LeafColumn,
    group: RowGroup,
    pages: PageTable,
    row: number,
  ): Promise<Uint8Array | undefined> {
    const index = pages.firstValues.findLastIndex((first) => first <= row);
    const offset = pages.offsets[index];
    if (offset === undefined) throw new InputError(`${file} is damaged: it has no page with row ${row} of a group`);
    const { definition, bytes } = await this.pageAt(file, column, group, pages, offset);
    const inside = row - (pages.firstValues[index] ?? 0);
    if (definition === undefined) return bytes[inside]?.slice();
    if (definition[inside] !== column.maxDefinition) return undefined;
    let before = 0;
    for (let i = 0; i < inside; i++) before += Number(definition[i] === column.maxDefinition);
    return bytes[before]?.slice();
  }

  private async pageAt(file: string, column: LeafColumn, group: RowGroup, pages: PageTable, offset: number) {
    const key = `${offset} ${file}`;
    if (this.page?.key === key) return this.page.values;
    const { codec } = chunkOf(group, column);
    const values = await withByteSource(file, async (source) => {
      const dictionary = await this.dictionaryOf(source, codec, pages.dictionary);
      return readPage(source, column, codec, offset, dictionary);
    });
    this.page = { key, values };
    return values;
  }

  private async dictionaryOf(source: ByteSource, codec: CompressionCodec, offset: number | undefined) {
    if (offset === undefined) return undefined;
    const key = `${offset} ${source.file}`;
    if (this.dictionary?.key !== key) {
      this.dictionary = { key, values: await readDictionary(source, codec, offset) };
    }
    return this.dictionary.values;
  }
}
