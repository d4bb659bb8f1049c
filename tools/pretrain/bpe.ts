/** @file A byte-pair vocabulary in CLIP's layout, learned from a word list (arXiv 1508.07909), so that each word is one token. */

const endOfWord = "</w>";
export const startToken = "<|startoftext|>";
export const endToken = "<|endoftext|>";

export interface BytePairs {
  /** Token to id: the 256 bytes, the 256 bytes that end a word, merged tokens, start, end. */
  readonly vocab: Readonly<Record<string, number>>;
  /** In the order of their priority, `left right` each. */
  readonly merges: readonly string[];
}

/** Merges the most frequent pair of all words, the first in the alphabet of equals, until every word is one token. */
export function learnBytePairs(words: readonly string[]): BytePairs {
  let pieces = words.map((word) => [...word].map((letter, i) => (i === word.length - 1 ? letter + endOfWord : letter)));
  const merges: string[] = [];
  while (pieces.some((word) => word.length > 1)) {
    const counts = new Map<string, number>();
    for (const word of pieces) {
      for (let i = 0; i + 1 < word.length; i++) {
        const pair = `${word[i]} ${word[i + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const [best] = [...counts].reduce((a, b) => (b[1] > a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a));
    merges.push(best);
    pieces = pieces.map((word) => mergeIn(word, best));
  }
  const bytes = byteLetters();
  const tokens = [
    ...bytes,
    ...bytes.map((letter) => letter + endOfWord),
    ...merges.map((pair) => pair.replace(" ", "")),
    startToken,
    endToken,
  ];
  return { vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges };
}

function mergeIn(word: readonly string[], pair: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < word.length; i++) {
    if (i + 1 < word.length && `${word[i]} ${word[i + 1]}` === pair) merged.push(word[i] + word[++i]);
    else merged.push(word[i]);
  }
  return merged;
}

/** GPT-2's printable stand-ins for the 256 bytes: printable Latin-1 for itself, the others from U+0100 on. */
function byteLetters(): string[] {
  const isPrintable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let moved = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : moved++));
}
