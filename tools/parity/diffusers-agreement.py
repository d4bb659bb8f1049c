#!/usr/bin/env python3
"""Checks that diffusers opens a Stable Diffusion 3 pipeline folder of softrepa and generates the same images.

For every prompt and seed it runs the built `softrepa generate` and diffusers' StableDiffusion3Pipeline, both on the CPU in
float32 from the same latents (softrepa's noise is PyTorch's CPU generator), and compares the 8-bit images. softrepa itself
needs no Python: run this check in a temporary virtual environment:

    npm ci && npm run build
    python3 -m venv /tmp/agreement
    /tmp/agreement/bin/pip install torch==2.13.0 diffusers==0.32.2 transformers==4.57.6 \\
        accelerate==1.15.0 numpy==2.4.6 pillow==13.0.0 ftfy==6.3.1 sentencepiece==0.2.3 protobuf==7.36.2
    /tmp/agreement/bin/python tools/parity/diffusers-agreement.py test/fixtures/parity/sd3/pipeline \\
        --prompt "a red cube on top of a blue sphere" --images 2 --steps 8

If model_index.json has no T5 (text_encoder_3 is [null, null]), diffusers is opened with text_encoder_3=None and
tokenizer_3=None, otherwise with T5. The project's figures were measured with these versions; other versions of the first
three packages print a note.

Exit codes: 0 all images within the limit, 1 some image outside the limit, 2 no comparison was possible.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

PINNED = {"torch": "2.13.0", "diffusers": "0.32.2", "transformers": "4.57.6"}
NEEDED = {"torch": "torch", "diffusers": "diffusers", "transformers": "transformers", "numpy": "numpy", "PIL": "pillow"}
CLASS_NAME = "StableDiffusion3Pipeline"


def give_up(message: str) -> NoReturn:
    """Prints one line and exits with code 2."""
    print(f"cannot compare: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def parse_arguments() -> argparse.Namespace:
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(
        description="Compares the images of softrepa and diffusers from one pipeline folder, in 1/255 of the range."
    )
    parser.add_argument("folder", type=Path, help="pipeline folder with model_index.json")
    parser.add_argument("--prompt", action="append", metavar="TEXT", help="can be repeated")
    parser.add_argument("--negative", default="", metavar="TEXT")
    parser.add_argument("--seed", type=int, default=0, help="seed of each prompt's first image (default 0)")
    parser.add_argument("--images", type=int, default=1, help="images per prompt, with consecutive seeds (default 1)")
    parser.add_argument("--steps", type=int, default=28)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--width", type=int, help="default: the model's")
    parser.add_argument("--height", type=int, help="default: the model's")
    parser.add_argument("--max-sequence-length", type=int, default=256, help="T5 text tokens (default 256)")
    parser.add_argument("--variant", help="variant of the weight files, such as fp16")
    parser.add_argument("--threads", type=int, help="CPU threads of both (default: all)")
    parser.add_argument("--limit", type=int, default=2, help="largest difference allowed, in 1/255 (default 2)")
    parser.add_argument("--out", type=Path, help="folder in which to keep the images of both")
    parser.add_argument("--softrepa", type=Path, default=root / "dist/cli/main.js", help="path of the built command")
    options = parser.parse_args()
    options.prompt = options.prompt or ["a red cube on top of a blue sphere", "two cats sleeping on a wooden bench"]
    if len(set(options.prompt)) < len(options.prompt):
        parser.error("a prompt is repeated")
    for name in ("images", "steps", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be a whole number of at least 1, got {value}")
    if options.seed < 0:
        parser.error(f"--seed must be a whole number of at least 0, got {options.seed}")
    return options


def require_packages() -> None:
    missing = []
    for module, package in NEEDED.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            # An installed package may lack a dependency, which its message names.
            missing.append(f"{package} ({error})")
    if missing:
        hint = f"the docstring of {Path(__file__).name} shows how to install them"
        give_up(f"Python packages are missing: {', '.join(missing)}; {hint}")
    for package, wanted in PINNED.items():
        found = importlib.metadata.version(package)
        if found.split("+")[0] != wanted:
            print(f"note: {package} is {found}, the figures in this project are from {wanted}", file=sys.stderr)


def has_t5(folder: Path) -> bool:
    index = folder / "model_index.json"
    try:
        components = json.loads(index.read_text(encoding="utf-8"))
    except OSError as error:
        give_up(f"{index}: {error.strerror}")
    except ValueError as error:
        give_up(f"{index} is not JSON: {error}")
    if not isinstance(components, dict) or components.get("_class_name") != CLASS_NAME:
        give_up(f"{index} does not describe a {CLASS_NAME}")
    return (components.get("text_encoder_3") or [None])[0] is not None


def run_softrepa(options: argparse.Namespace, out: Path) -> dict[tuple[str, int], Path]:
    """Generates images with softrepa; returns their files by prompt and seed."""
    if not options.softrepa.is_file():
        give_up(f"{options.softrepa} is missing: run npm run build, or set --softrepa")
    command = ["node", str(options.softrepa), "generate", "--json", "--force", "--provider=cpu"]
    command += [f"--model={options.folder}", f"--out={out}{os.sep}"]
    command += [f"--prompt={prompt}" for prompt in options.prompt]
    for name in ("negative", "seed", "images", "steps", "guidance", "width", "height", "variant", "threads"):
        value = getattr(options, name)
        if value is not None:
            command.append(f"--{name}={value}")
    command.append(f"--max-sequence-length={options.max_sequence_length}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        give_up("node is not on the PATH")
    if done.returncode != 0:
        give_up(done.stderr.strip() or f"softrepa generate ended with {done.returncode}")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return {(event["prompt"], event["seed"]): Path(event["file"]) for event in events if event["event"] == "image"}


def open_diffusers(options: argparse.Namespace, with_t5: bool):
    import diffusers
    import torch
    import transformers

    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    without = {} if with_t5 else {"text_encoder_3": None, "tokenizer_3": None}
    if options.variant is not None:
        without["variant"] = options.variant
    try:
        pipeline = diffusers.StableDiffusion3Pipeline.from_pretrained(
            str(options.folder), torch_dtype=torch.float32, local_files_only=True, **without
        )
    except Exception as error:  # noqa: BLE001 - any error means that diffusers cannot open the folder
        give_up(f"diffusers cannot open {options.folder}: {type(error).__name__}: {error}")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def compare(options: argparse.Namespace, out: Path) -> bool:
    import numpy
    import torch
    from PIL import Image

    with_t5 = has_t5(options.folder)
    ours = run_softrepa(options, out)
    pipeline = open_diffusers(options, with_t5)
    t5 = "with T5" if with_t5 else "without T5"
    print(f"{options.folder}: {t5}, {options.steps} steps, guidance {options.guidance:g}")
    print("differences, and the standard deviation of the image's pixels (contrast), in 1/255")
    print(f"{'largest':>7} {'mean':>8} {'contrast':>8}  seed  prompt")
    worst = 0
    for prompt in options.prompt:
        for seed in range(options.seed, options.seed + options.images):
            image = pipeline(
                prompt=prompt,
                negative_prompt=options.negative,
                num_inference_steps=options.steps,
                guidance_scale=options.guidance,
                width=options.width,
                height=options.height,
                max_sequence_length=options.max_sequence_length,
                generator=torch.Generator("cpu").manual_seed(seed),
            ).images[0]
            file = ours[prompt, seed]
            image.save(file.with_name(f"{file.stem}-diffusers.png"))
            theirs = numpy.asarray(image.convert("RGB"), dtype=numpy.int16)
            own = numpy.asarray(Image.open(file).convert("RGB"), dtype=numpy.int16)
            if own.shape != theirs.shape:
                give_up(f"softrepa's image has shape {own.shape}, but diffusers' has {theirs.shape}")
            difference = numpy.abs(own - theirs)
            largest = int(difference.max())
            worst = max(worst, largest)
            print(f"{largest:7d} {difference.mean():8.4f} {theirs.std():8.1f}  {seed:4d}  {prompt}", flush=True)
    count = len(options.prompt) * options.images
    verdict = "agree" if worst <= options.limit else "DIFFER"
    print(f"{count} images {verdict}: largest difference {worst}/255, allowed {options.limit}/255")
    return worst <= options.limit


def main() -> int:
    os.environ["HF_HUB_OFFLINE"] = "1"  # set before the packages are imported, so that they download nothing
    options = parse_arguments()
    require_packages()
    kept = contextlib.nullcontext(options.out) if options.out else tempfile.TemporaryDirectory()
    with kept as out:
        return 0 if compare(options, Path(out)) else 1


if __name__ == "__main__":
    sys.exit(main())
