"""The icon model: a small Stable Diffusion, built from a config and saved as a StableDiffusionPipeline folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict


class IconConfig(BaseModel):
    """Sizes and training settings; everything that changes the trained weights is here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = 64
    autoencoder_channels: tuple[int, ...] = (24, 48, 96, 96)
    latent_channels: int = 16
    unet_channels: tuple[int, ...] = (96, 192)
    text_width: int = 128
    text_layers: int = 2
    text_tokens: int = 16
    vocabulary: int = 2000
    batch: int = 32
    autoencoder_steps: int = 1200
    unet_steps: int = 4000
    learning_rate: float = 1e-3
    unet_learning_rate: float = 5e-4
    dropout: float = 0.1
    ema: float = 0.999
    checkpoint_every: int = 100
    seed: int = 0


@dataclass
class Parts:
    """The modules of a latent diffusion model, not yet a pipeline."""

    vae: Any
    unet: Any
    text: Any
    tokenizer: Any
    scheduler: Any


def build(config: IconConfig, captions: Sequence[str]) -> Parts:
    """Fresh modules from the config; the tokenizer is learned from the captions. Seeds torch."""
    import diffusers
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    kit: Any = diffusers  # its annotations are narrower than what it takes
    torch.manual_seed(config.seed)
    tokenizer = learn_tokenizer(config, captions)
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
    )
    unet = kit.UNet2DConditionModel(
        sample_size=config.size // 2 ** (levels - 1),
        in_channels=config.latent_channels,
        out_channels=config.latent_channels,
        block_out_channels=config.unet_channels,
        down_block_types=("CrossAttnDownBlock2D",) * len(config.unet_channels),
        up_block_types=("CrossAttnUpBlock2D",) * len(config.unet_channels),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=4,
        cross_attention_dim=config.text_width,
    )
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


def learn_tokenizer(config: IconConfig, captions: Sequence[str]) -> Any:
    """A CLIPTokenizer whose byte-pair merges come from the captions."""
    import tempfile

    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    learned = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))  # noqa: S106
    learned.normalizer = normalizers.Lowercase()
    learned.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learned.train_from_iterator(captions, trainer)
    model = json.loads(learned.to_str())["model"]
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary, rules = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        vocabulary.write_text(json.dumps(model["vocab"]), encoding="utf-8")
        rules.write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
        Path(folder, "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": config.text_tokens}), encoding="utf-8"
        )
        return CLIPTokenizer.from_pretrained(folder)


def load(folder: Path) -> Parts:
    """The modules of a published folder, in float32, to train further."""
    import torch
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    pipe: Any = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    return Parts(pipe.vae, pipe.unet, pipe.text_encoder, pipe.tokenizer, pipe.scheduler)


def save(parts: Parts, folder: Path) -> None:
    """Write fp16 safetensors in StableDiffusionPipeline layout; the given modules stay in float32."""
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
