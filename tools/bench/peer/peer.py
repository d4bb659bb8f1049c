"""PyTorch's side of `npm run bench -- --peer`: runs one case with diffusers' public classes.

usage: peer.py CASE.json eager|compiled RESULTS.safetensors

Prints one JSON line: the seconds of each run after warm-up, and the peak memory of the process in MB. The case has the
network's configuration, its weights, the inputs and the task; softrepa reads the same files.
"""

import contextlib
import json
import sys
import time

import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel, UNet2DConditionModel
from safetensors.torch import load_file, save_file

with open(sys.argv[1]) as file:
    case = json.load(file)
variant, results_file = sys.argv[2:4]
torch.set_num_threads(case["threads"])
classes = {
    "SD3Transformer2DModel": SD3Transformer2DModel,
    "UNet2DConditionModel": UNet2DConditionModel,
    "AutoencoderKL": AutoencoderKL,
}


def load_model():
    """Loads the model and assigns the loaded weights without a second copy."""
    config = case["config"]
    cls = classes[config["_class_name"]]
    with torch.device("meta"):
        model = cls.from_config(config)
    weights = {key: value.float() for key, value in load_file(case["weights"]).items()}
    missing, unexpected = model.load_state_dict(weights, strict=False, assign=True)
    # Only the decoder of an autoencoder is written.
    missing = [key for key in missing if not key.startswith(("encoder.", "quant_conv.", "post_quant_conv."))]
    assert not missing and not unexpected, (missing[:3], unexpected[:3])
    return model.eval().requires_grad_(False)


def sd3_denoise(model, sample, timestep, prompt_embeds, pooled, soft):
    """SD3's transformer with soft tokens [N, layers, count, width] before the text tokens of its first layers."""
    height, width = sample.shape[-2:]
    image = model.pos_embed(sample)
    temb = model.time_text_embed(timestep, pooled)
    context = model.context_embedder(prompt_embeds)
    length = context.shape[1]
    for index, block in enumerate(model.transformer_blocks):
        context = context[:, context.shape[1] - length :]
        if index < soft.shape[1]:
            context = torch.cat([soft[:, index], context], 1)
        context, image = block(hidden_states=image, encoder_hidden_states=context, temb=temb)
    image = model.proj_out(model.norm_out(image, temb))
    patch = model.config.patch_size
    grid = image.reshape(-1, height // patch, width // patch, patch, patch, model.out_channels)
    return torch.einsum("nhwpqc->nchpwq", grid).reshape(-1, model.out_channels, height, width)


def unet_denoise(model, sample, timestep, prompt_embeds, pooled, soft):
    """A UNet with soft tokens [N, 1, count, width] after the first text token, in all its stages."""
    states = torch.cat([prompt_embeds[:, :1], soft[:, 0], prompt_embeds[:, 1:]], 1)
    added = None
    if pooled is not None:
        side = [8.0 * size for size in sample.shape[-2:]]
        times = torch.tensor([[*side, 0.0, 0.0, *side]]).expand(len(states), -1)
        added = {"text_embeds": pooled, "time_ids": times}
    return model(sample, timestep, states, added_cond_kwargs=added, return_dict=False)[0]


model = load_model()
inputs = load_file(case["inputs"])
denoise = sd3_denoise if case["config"]["_class_name"] == "SD3Transformer2DModel" else unet_denoise


def pair_errors(sample, target, timestep, prompt_embeds, pooled, soft):
    """Errors of one image with every caption, and the gradient of each error with respect to its pair's soft tokens."""
    pairs = len(prompt_embeds)
    soft = soft.expand(pairs, -1, -1, -1).clone().requires_grad_()
    sample = sample.expand(pairs, -1, -1, -1)
    prediction = compute(model, sample, timestep.expand(pairs), prompt_embeds, pooled, soft)
    errors = ((prediction.float() - target) ** 2).mean((1, 2, 3))
    (gradients,) = torch.autograd.grad(errors.sum(), soft)
    return {"errors": errors.detach(), "gradients": gradients.reshape(pairs, -1).contiguous()}


@torch.no_grad()
def guided(sample, timestep, prompt_embeds, pooled, soft):
    """One step of classifier-free guidance, with both branches in one batch; the first prompt is the empty one."""
    count = len(prompt_embeds)
    sample = sample.expand(count, -1, -1, -1)
    soft = soft.expand(count, -1, -1, -1)
    prediction = compute(model, sample, timestep.expand(count), prompt_embeds, pooled, soft).float()
    unconditional, conditional = prediction.chunk(2)
    guided_prediction = unconditional + case["guidance"] * (conditional - unconditional)
    return {"prediction": guided_prediction.contiguous()}


@torch.no_grad()
def decode(latents):
    return {"image": compute(model, latents).float().contiguous()}


def decode_latents(autoencoder, latents):
    return autoencoder.decoder(latents)


task = {"train": pair_errors, "sample": guided, "decode": decode}[case["task"]]
compute = decode_latents if case["task"] == "decode" else denoise
precision = contextlib.nullcontext
if variant == "compiled":
    compute = torch.compile(compute)
    precision = lambda: torch.autocast("cpu", torch.bfloat16)
arguments = [inputs.get(name) for name in case["arguments"]]


def run():
    with precision():
        return task(*arguments)


def peak_memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


for _ in range(2):
    results = run()
seconds = []
for _ in range(case["runs"]):
    start = time.perf_counter()
    results = run()
    seconds.append(time.perf_counter() - start)
save_file(results, results_file)
print(json.dumps({"seconds": seconds, "peakMemory": peak_memory()}))
