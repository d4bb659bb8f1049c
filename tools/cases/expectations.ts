/** @file What each case of a cases folder must print, as its case.md says. */

/** Every `all` must match the output and no `none` may. */
export interface Expectation {
  readonly all: readonly RegExp[];
  readonly none?: readonly RegExp[];
}

/** The last image equals the one before it, and nothing failed. */
const sameImage: Expectation = { all: [/^largest difference 0$/m], none: [/^exit code [^0]/m] };
const counts = (images: number): Expectation => ({
  all: [new RegExp(`\\b${images} images, ${images} captions`), /^exit code 0$/m],
});

export const expectations: Readonly<Record<string, Expectation>> = {
  "01-added-tokens-json": sameImage,
  "03-tokenizer-json-only": sameImage,
  "06-eval-order-of-numbered-names": {
    all: [/\/2\.png,prompt 2$/m, /\/3\.png,prompt 3$/m, /^exit code 0$/m],
    none: [/\/10\.png,prompt 2$/m],
  },
  "08-geneval-grid-counted": { all: [/samples\/00000\.png,a photo of a bench,0$/m], none: [/\/grid\.png,/] },
  "10-shard-dotted-names": { all: [/\b3 images, 3 captions/, /^exit code 0$/m] },
  "12-parquet-url-as-caption": { all: [/no caption column|captions? from .*column "?url/, /^exit code 1$/m] },
  "14-comfy-predict-key": {
    all: [/^tested against v:\nlargest difference 0$/m],
    none: [/^tested against epsilon:\nlargest difference 0$/m, /^exit code [^0]/m],
  },
  "15-nan-in-metadata-jsonl": counts(2),
  "17-hub-cache-links": counts(4),
  "19-lightning-callbacks": {
    all: [/control\.ckpt.*conv_out\.weight is missing/, /tested\.ckpt.*conv_out\.weight is missing/],
    none: [/refuses to load/],
  },
  "22-img2dataset-shards": counts(2),
  "24-f64-text-encoder": sameImage,
  "26-lfs-pointer-weights": { all: [/Git LFS pointer.*git lfs pull/] },
  "28-epsilon-with-zero-snr": { all: [/rescale_betas_zero_snr.*epsilon|epsilon.*rescale_betas_zero_snr/] },
  "30-nfd-sidecar": { all: [/\b1 images?, 1 captions?|Unicode|NFC/] },
  "32-dot-caption": { all: [/\b2 images, 2 captions|\.caption\b(?! file\))/] },
  "34-resume-moved-data": { all: [/config\.yaml|tokens\.safetensors {2}after 3 steps/] },
  "36-cmyk-picture": { all: [/^0 128 64 \| 64 128 96 \| 128 128 128 \| 192 128 160$/m] },
  "38-utf16-without-bom": { all: [/UTF-16/, /^exit code 1$/m] },
  "40-seed-over-32-bits": { all: [/seed \d+/, /^exit code 0$/m] },
  "42-imagefolder-splits": { all: [/input\/train\b/] },
};
