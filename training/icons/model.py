"""The icon model: a small Stable Diffusion, built from a config and saved as a StableDiffusionPipeline folder."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

_CLIP_WORDS = re.compile(r"[^\W\d_]+|\d|(?:[^\w\s]|_)+")  # the word pattern of CLIP's tokenizer
_END = "</w>"  # the suffix by which CLIP marks the end of a word


class IconConfig(BaseModel):
    """Model sizes and hyperparameters: everything that influences the trained weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = 64  # side of a picture in pixels
    autoencoder_channels: tuple[int, ...] = (16, 48, 96, 96)
    latent_channels: int = 16
    kl_weight: float = 5e-3
    unet_channels: tuple[int, ...] = (128, 192)
    text_width: int = 128
    text_layers: int = 2
    text_tokens: int = 32
    vocabulary: int = 4000
    pooled_text: bool = True  # adds the pooled text embedding to the time embedding, which reaches every layer
    autoencoder_batch: int = 16
    autoencoder_steps: int = 2050
    autoencoder_learning_rate: float = 1e-3
    decoder_steps: int = 4600
    decoder_noise: float = 0.2  # in standard deviations of the latents: the usual error of the UNet's latents
    perceptual_weight: float = 1.0  # of the perceptual loss, which punishes blur more than a pixel loss does
    batch: int = 32
    steps: int = 13_500
    learning_rate: float = 6e-4
    decay: float = 0.3  # share of the steps, at the end, over which the learning rate decays to zero
    mirrored: float = 0.5  # share of mirror images among the UNet's latents
    dropout: float = 0.1  # of the prompt, for classifier-free guidance
    ema: float = 0.999
    checkpoint_every: int = 100
    seed: int = 0


@dataclass
class Parts:
    """The components of a latent diffusion pipeline."""

    vae: Any
    unet: Any
    text: Any
    tokenizer: Any
    scheduler: Any

    def device(self) -> str:
        """cpu or cuda."""
        return self.unet.device.type

    def to(self, device: str) -> None:
        """Move the weights to cpu or cuda."""
        for module in (self.vae, self.unet, self.text):
            module.to(device)


def build_parts(config: IconConfig, captions: Sequence[str]) -> Parts:
    """New components from the config, with a tokenizer trained on the captions. Seeds torch."""
    import diffusers
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    kit: Any = diffusers  # its annotations are too narrow
    torch.manual_seed(config.seed)
    tokenizer = train_tokenizer(config, captions)
    levels = len(config.autoencoder_channels)
    vae = kit.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=config.autoencoder_channels,
        layers_per_block=1,
        latent_channels=config.latent_channels,
        norm_num_groups=8,
        sample_size=config.size,
        mid_block_add_attention=False,
        scaling_factor=1.0,  # `standardise` puts the scale into the weights
    )
    unet = kit.UNet2DConditionModel(
        sample_size=config.size // 2 ** (levels - 1),
        in_channels=config.latent_channels,
        out_channels=config.latent_channels,
        block_out_channels=config.unet_channels,
        # Attention only at the coarsest level: half the cost of a step, and it still covers every position.
        down_block_types=("DownBlock2D",) * (len(config.unet_channels) - 1) + ("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * (len(config.unet_channels) - 1),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=4,
        cross_attention_dim=config.text_width,
        addition_embed_type="text" if config.pooled_text else None,
        addition_embed_type_num_heads=config.text_width // 2,
    )
    if config.pooled_text:  # starts at zero, so that weights trained without it behave as before
        torch.nn.init.zeros_(unet.add_embedding.norm2.weight)
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.text_width,
            intermediate_size=4 * config.text_width,
            num_hidden_layers=config.text_layers,
            num_attention_heads=4,
            max_position_embeddings=config.text_tokens,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    scheduler = kit.DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        steps_offset=1,
    )
    return Parts(vae, unet, text, tokenizer, scheduler)


def standardise(vae: Any, mean: Any, deviation: Any) -> None:
    """Change the weights so that latents z become (z - mean) / deviation per channel, and decode as before."""
    import torch

    count = len(mean)
    with torch.no_grad():
        vae.quant_conv.weight[:count] /= deviation[:, None, None, None]
        vae.quant_conv.bias[:count] = (vae.quant_conv.bias[:count] - mean) / deviation
        vae.quant_conv.bias[count:] -= 2 * deviation.log()  # these channels are log variances
        vae.post_quant_conv.bias += (vae.post_quant_conv.weight[:, :, 0, 0] * mean).sum(dim=1)
        vae.post_quant_conv.weight *= deviation[:, None, None]


def train_tokenizer(config: IconConfig, captions: Sequence[str]) -> Any:
    """A CLIPTokenizer whose byte-pair merges come from the captions: the same captions, the same token ids."""
    import tempfile

    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)  # one letter a byte of UTF-8
    found = (word for caption in captions for word in _CLIP_WORDS.findall(caption.lower()))
    words = Counter(letters.pre_tokenize_str(word)[0][0] for word in found)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<|startoftext|>", "<|endoftext|>", *alphabet, *(letter + _END for letter in alphabet)]
    merges = train_merges(words, config.vocabulary - len(tokens))
    tokens += [first + second for first, second in merges]
    with tempfile.TemporaryDirectory() as folder:
        ids = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
        Path(folder, "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
        lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
        Path(folder, "merges.txt").write_text("\n".join(lines), encoding="utf-8")
        Path(folder, "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": config.text_tokens}), encoding="utf-8"
        )
        return CLIPTokenizer.from_pretrained(folder)


def train_merges(words: Mapping[str, int], most: int) -> list[tuple[str, str]]:
    """Train byte-pair merges: the most frequent pair first, of equally frequent ones the first alphabetically.

    The trainer of `tokenizers` breaks ties differently in each process, so that a run could not be resumed.
    """
    spelled = {word: [*word[:-1], word[-1] + _END] for word in words}
    merges: list[tuple[str, str]] = []
    while len(merges) < most:
        counts: Counter[tuple[str, str]] = Counter()
        for word, symbols in spelled.items():
            for pair in pairwise(symbols):
                counts[pair] += words[word]
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        for symbols in spelled.values():
            _merge(symbols, best)
    return merges


def _merge(symbols: list[str], pair: tuple[str, str]) -> None:
    at = 0
    while at < len(symbols) - 1:
        if (symbols[at], symbols[at + 1]) == pair:
            symbols[at : at + 2] = ["".join(pair)]
        at += 1


def warm_start(published: Path, config: IconConfig, captions: Sequence[str]) -> Parts:
    """New components with the weights of a published folder where name and shape agree, in float32.

    The tokenizer is trained on the new captions; the embeddings of shared tokens are carried over.
    """
    import torch

    old, new = load(published), build_parts(config, captions)
    for before, after in ((old.vae, new.vae), (old.unet, new.unet), (old.text, new.text)):
        state = after.state_dict()
        state |= {n: v for n, v in before.state_dict().items() if n in state and v.shape == state[n].shape}
        after.load_state_dict(state)
    ids, old_ids = new.tokenizer.get_vocab(), old.tokenizer.get_vocab()
    shared = [(ids[token], old_ids[token]) for token in ids if token in old_ids]
    with torch.no_grad():
        rows, old_rows = (torch.tensor(column) for column in zip(*shared, strict=True))
        weights = new.text.get_input_embeddings().weight
        weights[rows] = old.text.get_input_embeddings().weight[old_rows]
    return new


def load(folder: Path) -> Parts:
    """The components of a published folder, in float32."""
    import torch
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    pipe: Any = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    return Parts(pipe.vae, pipe.unet, pipe.text_encoder, pipe.tokenizer, pipe.scheduler)


def save(parts: Parts, folder: Path) -> None:
    """Write fp16 safetensors in StableDiffusionPipeline layout; `parts` stays in float32."""
    import copy

    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    pipe: Any = StableDiffusionPipeline(
        vae=copy.deepcopy(parts.vae).half(),
        unet=copy.deepcopy(parts.unet).half(),
        text_encoder=copy.deepcopy(parts.text).half(),
        tokenizer=parts.tokenizer,
        scheduler=parts.scheduler,
        safety_checker=None,  # type: ignore[arg-type]
        feature_extractor=None,  # type: ignore[arg-type]
        requires_safety_checker=False,
    )
    pipe.save_pretrained(folder, safe_serialization=True)
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)  # readable for the user of a container
