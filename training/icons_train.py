"""The icon model's training: first the autoencoder, then UNet and text encoder together on its latents.

Every step draws from a generator seeded by (seed, step), so a run that was killed goes on with the same losses.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import avg_pool2d, l1_loss

from training.icons_data import Icon
from training.icons_model import IconConfig, Parts, standardise

Progress = Callable[[str, int, int, float], None]
"""Told after each step: the part in training, its steps done, all its steps, the step's loss."""

PROMPTS = ("{style} {name}", "{name}", "a {style} icon of a {name}", "{name}, {style}")
SHARES = (0.7, 0.1, 0.1, 0.1)  # how often each form of the caption is shown


def no_progress(_part: str, _done: int, _steps: int, _loss: float) -> None:
    """For callers that do not watch."""


def split_caption(caption: str) -> tuple[str, str]:
    """Style and name; a caption of one word is both."""
    words = caption.split(" ", 1)
    return words[0], words[-1]


def prompts_of(icons: Sequence[Icon]) -> list[str]:
    """Every form of every caption, form by form: what the model reads, and its tokenizer learns from."""
    pairs = [split_caption(icon.caption) for icon in icons]
    return [form.format(style=style, name=name) for form in PROMPTS for style, name in pairs]


def train_autoencoder(
    work: Path, config: IconConfig, parts: Parts, pictures: Any, deadline: float, progress: Progress
) -> bool:
    """Fit `parts.vae` to N×3×S×S pictures in [-1, 1]; true when all steps are done. Leaves the averaged weights."""
    device = parts.device()

    def loss(step: int) -> Any:
        draw = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        chosen = torch.randint(len(pictures), (config.autoencoder_batch,), generator=draw)
        mirrored = torch.rand(len(chosen), generator=draw) < 0.5
        real = torch.where(mirrored[:, None, None, None], pictures[chosen].flip(-1), pictures[chosen]).to(device)
        posterior = parts.vae.encode(real).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=draw).to(device)
        made = parts.vae.decode(posterior.mean + posterior.std * noise).sample.float()
        edges = l1_loss(made.diff(dim=-1), real.diff(dim=-1)) + l1_loss(made.diff(dim=-2), real.diff(dim=-2))
        colours = l1_loss(avg_pool2d(made, 8), avg_pool2d(real, 8))  # without it they stay pale for long
        return l1_loss(made, real) + edges + 4 * colours + config.kl_weight * posterior.kl().mean() / real[0].numel()

    rate, steps = config.autoencoder_learning_rate, config.autoencoder_steps
    return _loop(work, "autoencoder", config, {"vae": parts.vae}, loss, steps, rate, deadline, progress)


def train_unet(
    work: Path,
    config: IconConfig,
    parts: Parts,
    pictures: Any,
    icons: Sequence[Icon],
    deadline: float,
    progress: Progress,
) -> bool:
    """Fit UNet and text encoder to the pictures' latents by v-prediction; true when all steps are done."""
    latents = _last(latents_of(parts, pictures))
    tokens, none = _tokens(config, parts, icons)
    device, alphas, shares = parts.device(), parts.scheduler.alphas_cumprod, torch.tensor(SHARES)

    def loss(step: int) -> Any:
        draw = torch.Generator().manual_seed(config.seed * 1_000_003 + 500_000 + step)
        chosen = torch.randint(len(latents), (config.batch,), generator=draw)
        noise = torch.randn(latents[chosen].shape, generator=draw)
        times = torch.randint(len(alphas), (config.batch,), generator=draw)
        forms = torch.multinomial(shares, config.batch, replacement=True, generator=draw)
        empty = torch.rand(config.batch, generator=draw) < config.dropout
        words = torch.where(empty[:, None], none, tokens[forms, chosen % len(icons)])
        noisy = _last(parts.scheduler.add_noise(latents[chosen], noise, times)).to(device)
        wanted = parts.scheduler.get_velocity(latents[chosen], noise, times).to(device)
        made = parts.unet(noisy, times.to(device), parts.text(words.to(device)).last_hidden_state).sample.float()
        signal = (alphas[times] / (1 - alphas[times])).to(device)
        # Where there is hardly any noise v is little else than that noise: nothing to learn about icons.
        return ((made - wanted).square().mean(dim=(1, 2, 3)) * (6 / (signal + 1)).clamp(max=1)).mean()

    modules = {"unet": _last(parts.unet), "text": parts.text}
    return _loop(work, "unet", config, modules, loss, config.steps, config.learning_rate, deadline, progress)


def use_average(work: Path, name: str, modules: dict[str, Any]) -> int:
    """Put the averaged weights of checkpoint `name` into the modules; gives its step, 0 if there is none."""
    if not (work / f"{name}.pt").exists():
        return 0
    state = torch.load(work / f"{name}.pt", weights_only=True, map_location="cpu")
    for key, module in modules.items():
        module.load_state_dict(state["averages"][key])
    return state["step"]


def latents_of(parts: Parts, pictures: Any) -> Any:
    """Latents of the pictures, then of their mirror images: 2N rows, each channel with mean 0 and deviation 1.

    The first call moves that scale into the autoencoder's own weights, so that its scaling factor is 1.
    """
    with torch.no_grad():
        both = torch.cat([pictures, pictures.flip(-1)]).split(32)
        latents = torch.cat([parts.vae.encode(some.to(parts.device())).latent_dist.mean.cpu() for some in both])
        mean, deviation = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
        standardise(parts.vae, mean.to(parts.device()), deviation.to(parts.device()))
        return (latents - mean[:, None, None]) / deviation[:, None, None]


def _tokens(config: IconConfig, parts: Parts, icons: Sequence[Icon]) -> tuple[Any, Any]:
    """Token ids: forms × icons × tokens of every caption, and tokens of the empty prompt."""
    length = config.text_tokens
    ids = parts.tokenizer([*prompts_of(icons), ""], padding="max_length", max_length=length, truncation=True).input_ids
    return torch.tensor(ids[:-1]).view(len(PROMPTS), len(icons), length), torch.tensor(ids[-1])


def _last(value: Any) -> Any:
    """A tensor or module with channels last in memory: a third faster on a CPU for the UNet alone."""
    return value.to(memory_format=torch.channels_last)


def _loop(
    work: Path,
    name: str,
    config: IconConfig,
    modules: dict[str, Any],
    loss_at: Callable[[int], Any],
    steps: int,
    learning_rate: float,
    deadline: float,
    progress: Progress,
) -> bool:
    """AdamW, resumed from `work/name.pt`; one JSON line a step in `losses.jsonl`. True when all steps are done.

    The rate is constant and falls to zero over the last steps: so a longer run begins with the same steps.
    """
    weights = [weight for module in modules.values() for weight in module.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=learning_rate, betas=(0.9, 0.99), fused=True)
    averages = {key: copy.deepcopy(module).eval() for key, module in modules.items()}
    checkpoint, device = work / f"{name}.pt", weights[0].device.type
    first = _resume(checkpoint, optimizer, modules, averages)
    with (work / "losses.jsonl").open("a", encoding="utf-8") as log:
        for step in range(first, steps):
            rate = learning_rate * min(1.0, (step + 1) / 100, (steps - step) / (steps * config.decay))
            for group in optimizer.param_groups:
                group["lr"] = rate
            # On a CPU torch's fused attention takes longer than the plain one for so few positions.
            with torch.autocast(device, dtype=torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
                loss = loss_at(step)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            _average(averages, modules, min(config.ema, (step + 1) / (step + 10)))
            log.write(json.dumps({"part": name, "step": step, "loss": loss.item(), "time": time.time()}) + "\n")
            progress(name, step + 1, steps, loss.item())
            late = time.monotonic() >= deadline
            if late or (step + 1) % config.checkpoint_every == 0 or step + 1 == steps:
                log.flush()
                _checkpoint(checkpoint, step + 1, optimizer, modules, averages)
            if late:
                break
    return use_average(work, name, modules) >= steps


def _resume(path: Path, optimizer: Any, modules: dict[str, Any], averages: dict[str, Any]) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    optimizer.load_state_dict(state["optimizer"])
    for key, module in modules.items():
        module.load_state_dict(state["modules"][key])
        averages[key].load_state_dict(state["averages"][key])
    return state["step"]


def _average(averages: dict[str, Any], modules: dict[str, Any], keep: float) -> None:
    with torch.no_grad():
        for key, module in modules.items():
            for mean, now in zip(averages[key].parameters(), module.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)


def _checkpoint(path: Path, step: int, optimizer: Any, modules: dict[str, Any], averages: dict[str, Any]) -> None:
    """Written beside and renamed, so that a kill leaves the old checkpoint or the new one."""
    state = {
        "step": step,
        "optimizer": optimizer.state_dict(),
        "modules": {key: module.state_dict() for key, module in modules.items()},
        "averages": {key: module.state_dict() for key, module in averages.items()},
    }
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)
