"""Train and publish the icon model: autoencoder first, then UNet and text encoder together on its latents.

Every step draws from a generator seeded by (seed, step), so a run that was killed goes on with the same losses.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from training.icons_data import Icon, read_icons
from training.icons_model import IconConfig, Parts, build, load, save


def train(work: Path, config: IconConfig, *, initial: Path | None = None, minutes: float = math.inf) -> Parts:
    """Train on the icons in `work/icons`; resumes from `work/*.pt`, or starts from the published folder `initial`.

    Stops early after `minutes` (its checkpoint stays). Losses go to `work/losses.jsonl`. Returns the averaged weights.
    """
    icons = read_icons(work / "icons")
    parts = load(initial) if initial else build(config, [icon.caption for icon in icons])
    pictures = _pixels(icons, config.size)
    deadline = time.monotonic() + minutes * 60
    _train_autoencoder(work, config, parts, pictures, deadline)
    if time.monotonic() < deadline:
        _train_unet(work, config, parts, pictures, icons, deadline)
    _use_average(parts, work / "unet.pt")
    return parts


def publish(parts: Parts, folder: Path, card: str) -> None:
    """Write the StableDiffusionPipeline folder and its model card."""
    save(parts, folder)
    (folder / "README.md").write_text(card, encoding="utf-8")


def _pixels(icons: Sequence[Icon], size: int) -> Any:
    """N×3×size×size in [-1, 1]; transparent pixels become white."""
    import torch
    from PIL import Image
    from torchvision.transforms.functional import pil_to_tensor

    rows: list[Any] = []
    for icon in icons:
        with Image.open(icon.path) as opened:
            picture = opened.convert("RGBA").resize((size, size), Image.Resampling.LANCZOS)
        flat = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
        rows.append(pil_to_tensor(flat).float() / 127.5 - 1)
    return torch.stack(rows)


def _train_autoencoder(work: Path, config: IconConfig, parts: Parts, pictures: Any, deadline: float) -> None:
    import torch
    from torch.nn.functional import l1_loss

    def loss(step: int) -> Any:
        draw = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        real = _batch(pictures, torch.randint(len(pictures), (config.batch,), generator=draw), draw)
        posterior = parts.vae.encode(real).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=draw)
        made = parts.vae.decode(posterior.mean + posterior.std * noise).sample.float()
        edges = l1_loss(made.diff(dim=-1), real.diff(dim=-1)) + l1_loss(made.diff(dim=-2), real.diff(dim=-2))
        return l1_loss(made, real) + edges + 1e-5 * posterior.kl().mean() / real[0].numel()

    _loop(
        work, "autoencoder", config, {"vae": parts.vae}, loss, config.autoencoder_steps, config.learning_rate, deadline
    )


def _train_unet(
    work: Path, config: IconConfig, parts: Parts, pictures: Any, icons: Sequence[Icon], deadline: float
) -> None:
    import torch

    latents = _latents(parts, pictures, config.batch)
    captions = [icon.caption for icon in icons] * 2
    tokens = parts.tokenizer(
        [*captions, ""], padding="max_length", max_length=config.text_tokens, truncation=True, return_tensors="pt"
    ).input_ids
    alphas = parts.scheduler.alphas_cumprod

    def loss(step: int) -> Any:
        draw = torch.Generator().manual_seed(config.seed * 1_000_003 + 500_000 + step)
        chosen = torch.randint(len(latents), (config.batch,), generator=draw)
        noise = torch.randn(latents[chosen].shape, generator=draw)
        times = torch.randint(len(alphas), (config.batch,), generator=draw)
        empty = torch.rand(config.batch, generator=draw) < config.dropout
        words = torch.where(empty[:, None], tokens[-1], tokens[chosen])
        noisy = parts.scheduler.add_noise(latents[chosen], noise, times)
        wanted = parts.scheduler.get_velocity(latents[chosen], noise, times)
        made = parts.unet(noisy, times, parts.text(words).last_hidden_state).sample.float()
        signal = alphas[times] / (1 - alphas[times])
        weight = signal.clamp(max=5) / (signal + 1)  # min-SNR for v-prediction; the floor keeps zero-SNR steps in
        return ((made - wanted).square().mean(dim=(1, 2, 3)) * weight.clamp(min=0.1)).mean()

    modules = {"unet": parts.unet, "text": parts.text}
    _loop(work, "unet", config, modules, loss, config.unet_steps, config.unet_learning_rate, deadline)


def _batch(pictures: Any, chosen: Any, draw: Any) -> Any:
    """The chosen pictures, about half of them mirrored."""
    import torch

    mirrored = torch.rand(len(chosen), generator=draw) < 0.5
    return torch.where(mirrored[:, None, None, None], pictures[chosen].flip(-1), pictures[chosen])


def _latents(parts: Parts, pictures: Any, batch: int) -> Any:
    """Latents of the pictures and of their mirror images, scaled to unit variance through `scaling_factor`."""
    import torch

    with torch.no_grad():
        both = torch.cat([pictures, pictures.flip(-1)])
        latents = torch.cat([parts.vae.encode(some).latent_dist.mean for some in both.split(batch)])
    parts.vae.register_to_config(scaling_factor=1 / float(latents.std()))
    return latents * parts.vae.config["scaling_factor"]


def _loop(
    work: Path,
    name: str,
    config: IconConfig,
    modules: dict[str, Any],
    loss_at: Callable[[int], Any],
    steps: int,
    learning_rate: float,
    deadline: float,
) -> None:
    """AdamW with a cosine rate over `steps`, resumed from `work/name.pt`; one JSON line a step in `losses.jsonl`."""
    import torch

    weights = [weight for module in modules.values() for weight in module.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=learning_rate, fused=True)
    averages = {key: copy.deepcopy(module).eval() for key, module in modules.items()}
    checkpoint, first = work / f"{name}.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        first = state["step"]
        optimizer.load_state_dict(state["optimizer"])
        for key, module in modules.items():
            module.load_state_dict(state["modules"][key])
            averages[key].load_state_dict(state["averages"][key])
    with (work / "losses.jsonl").open("a", encoding="utf-8") as log:
        for step in range(first, steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * min(1, (step + 1) / 100) * (1 + math.cos(math.pi * step / steps)) / 2
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = loss_at(step)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            _average(averages, modules, min(config.ema, (step + 1) / (step + 10)))
            log.write(json.dumps({"part": name, "step": step, "loss": loss.item()}) + "\n")
            late = time.monotonic() >= deadline
            if late or (step + 1) % config.checkpoint_every == 0 or step + 1 == steps:
                log.flush()
                _checkpoint(checkpoint, step + 1, optimizer, modules, averages)
            if late:
                return


def _average(averages: dict[str, Any], modules: dict[str, Any], keep: float) -> None:
    import torch

    pairs: Iterable[tuple[Any, Any]] = (
        pair for key in modules for pair in zip(averages[key].parameters(), modules[key].parameters(), strict=True)
    )
    with torch.no_grad():
        for mean, now in pairs:
            mean.lerp_(now, 1 - keep)


def _checkpoint(path: Path, step: int, optimizer: Any, modules: dict[str, Any], averages: dict[str, Any]) -> None:
    """Written beside and renamed, so that a kill leaves the old checkpoint or the new one."""
    import torch

    state = {
        "step": step,
        "optimizer": optimizer.state_dict(),
        "modules": {key: module.state_dict() for key, module in modules.items()},
        "averages": {key: module.state_dict() for key, module in averages.items()},
    }
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def _use_average(parts: Parts, checkpoint: Path) -> None:
    """Put the averaged UNet and text encoder in place; the autoencoder stays the one its latents came from."""
    import torch

    if checkpoint.exists():
        averages = torch.load(checkpoint, weights_only=True)["averages"]
        parts.unet.load_state_dict(averages["unet"])
        parts.text.load_state_dict(averages["text"])
