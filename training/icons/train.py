"""The three training stages of the icon model: autoencoder, UNet with text encoder on its latents, decoder fine-tuning.

Every step draws from a generator seeded by (seed, step), so a resumed run has the same losses.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import avg_pool2d, l1_loss

from training.icons.data import Icon
from training.icons.model import IconConfig, Parts, standardise
from training.icons.perceptual import load_feature_network, perceptual_distance
from training.icons.stage import Stage, load_average

_TAGS = 8  # prompts with a single tag per icon; an icon with fewer tags repeats some
SHARES = (0.5, 0.06, 0.06, 0.06, 0.12, *[0.2 / _TAGS] * _TAGS)  # the probability of each form of the caption


def split_caption(caption: str) -> tuple[str, str]:
    """The style and the name in a caption; a caption of one word is both."""
    words = caption.split(" ", 1)
    return words[0], words[-1]


def prompts_of(icons: Sequence[Icon]) -> list[str]:
    """Every form of every caption, form by form: the training texts of the model and of its tokenizer."""
    return [prompt for form in zip(*map(_caption_forms, icons), strict=True) for prompt in form]


def _caption_forms(icon: Icon) -> list[str]:
    style, name = split_caption(icon.caption)
    tags = icon.tags or (name,)
    alone = [f"{style} {tags[number % len(tags)]}" for number in range(_TAGS)]
    tagged = ", ".join([icon.caption, *icon.tags])
    return [icon.caption, name, f"a {style} icon of a {name}", f"{name}, {style}", tagged, *alone]


def autoencoder_stage(config: IconConfig, parts: Parts, pictures: Any) -> Stage:
    """Train `parts.vae` on N×3×S×S pictures in [-1, 1] and their mirror images."""
    device = parts.device()

    def loss(step: int) -> Any:
        draw = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        chosen = torch.randint(len(pictures), (config.autoencoder_batch,), generator=draw)
        mirrored = torch.rand(len(chosen), generator=draw) < 0.5
        real = torch.where(mirrored[:, None, None, None], pictures[chosen].flip(-1), pictures[chosen]).to(device)
        posterior = parts.vae.encode(real).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=draw).to(device)
        made = parts.vae.decode(posterior.mean + posterior.std * noise).sample.float()
        return _reconstruction_loss(made, real) + config.kl_weight * posterior.kl().mean() / real[0].numel()

    rate, steps = config.autoencoder_learning_rate, config.autoencoder_steps
    return Stage("autoencoder", {"vae": parts.vae}, loss, steps, rate, 0.99, config.decay, config.checkpoint_every)


def unet_stage(config: IconConfig, parts: Parts, latents: Any, icons: Sequence[Icon]) -> Stage:
    """Train UNet and text encoder on the standardised latents by v-prediction."""
    latents = _channels_last(latents)
    tokens, none = _tokenize(config, parts, icons)
    device, alphas, shares = parts.device(), parts.scheduler.alphas_cumprod, torch.tensor(SHARES)

    def loss(step: int) -> Any:
        draw = torch.Generator().manual_seed(config.seed * 1_000_003 + 500_000 + step)
        named = torch.randint(len(icons), (config.batch,), generator=draw)
        chosen = named + len(icons) * (torch.rand(config.batch, generator=draw) < config.mirrored)
        noise = torch.randn(latents[chosen].shape, generator=draw)
        times = torch.randint(len(alphas), (config.batch,), generator=draw)
        forms = torch.multinomial(shares, config.batch, replacement=True, generator=draw)
        empty = torch.rand(config.batch, generator=draw) < config.dropout
        words = torch.where(empty[:, None], none, tokens[forms, named])
        noisy = _channels_last(parts.scheduler.add_noise(latents[chosen], noise, times)).to(device)
        wanted = parts.scheduler.get_velocity(latents[chosen], noise, times).to(device)
        made = parts.unet(noisy, times.to(device), parts.text(words.to(device)).last_hidden_state).sample.float()
        signal = (alphas[times] / (1 - alphas[times])).to(device)
        # Where there is hardly any noise, v is mostly that noise: lower weight above an SNR of 5.
        return ((made - wanted).square().mean(dim=(1, 2, 3)) * (6 / (signal + 1)).clamp(max=1)).mean()

    modules = {"unet": _channels_last(parts.unet), "text": parts.text}
    return Stage(
        "unet", modules, loss, config.steps, config.learning_rate, config.ema, config.decay, config.checkpoint_every
    )


def decoder_stage(config: IconConfig, parts: Parts, pictures: Any, latents: Any, icons: Sequence[Icon]) -> Stage:
    """Fine-tune the decoder on what it will decode: half exact latents with noise, half predictions of the UNet."""
    device, modules, network = parts.device(), _decoder_modules(parts), load_feature_network().to(parts.device())
    alphas, words = parts.scheduler.alphas_cumprod, _tokenize(config, parts, icons)[0][0]
    half = config.autoencoder_batch // 2

    def loss(step: int) -> Any:
        draw = torch.Generator().manual_seed(config.seed * 1_000_003 + 250_000 + step)
        chosen = torch.randint(len(icons), (config.autoencoder_batch,), generator=draw)  # as they are, not mirrored
        real = pictures[chosen].to(device)
        noise = torch.randn(latents[chosen].shape, generator=draw)
        times = torch.randint(len(alphas), (half,), generator=draw)
        noisy = parts.scheduler.add_noise(latents[chosen[:half]], noise[:half], times)
        guessed = _predict_latents(parts, noisy.to(device), times.to(device), words[chosen[:half]].to(device))
        exact = latents[chosen[half:]] + config.decoder_noise * noise[half:]
        made = parts.vae.decode(torch.cat([guessed, exact.to(device)])).sample.float()
        return _reconstruction_loss(made, real) + config.perceptual_weight * perceptual_distance(network, made, real)

    rate, steps = config.autoencoder_learning_rate, config.decoder_steps
    return Stage("decoder", modules, loss, steps, rate, 0.99, config.decay, config.checkpoint_every)


def _predict_latents(parts: Parts, noisy: Any, times: Any, words: Any) -> Any:
    """The clean latents that the UNet predicts in one step."""
    with torch.no_grad():
        velocity = parts.unet(noisy, times, parts.text(words).last_hidden_state).sample.float()
    signal = parts.scheduler.alphas_cumprod.to(noisy.device)[times][:, None, None, None]
    return signal.sqrt() * noisy - (1 - signal).sqrt() * velocity


def encode(parts: Parts, pictures: Any) -> Any:
    """The latents of the pictures, then those of their mirror images: 2N rows."""
    with torch.no_grad():
        both = torch.cat([pictures, pictures.flip(-1)]).split(32)
        return torch.cat([parts.vae.encode(some.to(parts.device())).latent_dist.mean.cpu() for some in both])


def standardised_latents(parts: Parts, pictures: Any) -> Any:
    """The latents of `encode`, standardised per channel to mean 0 and deviation 1.

    Folds the scale into the weights of the autoencoder, so that its scaling factor stays 1.
    """
    latents = encode(parts, pictures)
    mean, deviation = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    standardise(parts.vae, mean.to(parts.device()), deviation.to(parts.device()))
    return (latents - mean[:, None, None]) / deviation[:, None, None]


def latents_of(config: IconConfig, parts: Parts, pictures: Any) -> Any:
    """The latents to train the UNet on: standardised, unless the autoencoder is not trained here."""
    return standardised_latents(parts, pictures) if config.autoencoder_steps else encode(parts, pictures)


def load_all_averages(work: Path, config: IconConfig, parts: Parts, pictures: Any) -> dict[str, int]:
    """Load the averaged weights of the checkpoints of all stages; returns the steps of each stage."""
    autoencoder = load_average(work, "autoencoder", {"vae": parts.vae})
    latents_of(config, parts, pictures)
    decoder = load_average(work, "decoder", _decoder_modules(parts))
    unet = load_average(work, "unet", {"unet": parts.unet, "text": parts.text})
    return {"autoencoder": autoencoder, "unet": unet, "decoder": decoder}


def _reconstruction_loss(made: Any, real: Any) -> Any:
    """The L1 loss of pixels, of edges, and of mean colours of 8×8 pixels, without which colours stay pale."""
    edges = l1_loss(made.diff(dim=-1), real.diff(dim=-1)) + l1_loss(made.diff(dim=-2), real.diff(dim=-2))
    return l1_loss(made, real) + edges + 4 * l1_loss(avg_pool2d(made, 8), avg_pool2d(real, 8))


def _decoder_modules(parts: Parts) -> dict[str, Any]:
    return {"decoder": parts.vae.decoder, "post_quant_conv": parts.vae.post_quant_conv}


def _tokenize(config: IconConfig, parts: Parts, icons: Sequence[Icon]) -> tuple[Any, Any]:
    """Token ids of every caption (forms × icons × tokens), and those of the empty prompt."""
    length = config.text_tokens
    ids = parts.tokenizer([*prompts_of(icons), ""], padding="max_length", max_length=length, truncation=True).input_ids
    return torch.tensor(ids[:-1]).view(len(SHARES), len(icons), length), torch.tensor(ids[-1])


def _channels_last(value: Any) -> Any:
    """A tensor or module in channels-last memory format: on a CPU a third faster, for the UNet only."""
    return value.to(memory_format=torch.channels_last)
