"""Build diffusion models with random weights: all components of the real ones, a megabyte each, 32 × 32 pixels."""

import json
from pathlib import Path
from typing import Any

TOKENS = 24
WORDS = ("a", "red", "blue", "green", "apple", "boat", "car", "star", "sun", "tree")
DDIM = {
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "steps_offset": 1,
}


def build_stable_diffusion(folder: Path) -> Path:
    """Build a StableDiffusionPipeline folder in safetensors: v-prediction with a DDIM scheduler."""
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline
    from transformers import CLIPTextModel

    tokenizer = build_tokenizer(folder.with_name(f"{folder.name}-words"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        StableDiffusionPipeline(
            vae=_autoencoder(),
            unet=_unet(cross_attention_dim=32),
            text_encoder=CLIPTextModel(_text(tokenizer)),
            tokenizer=tokenizer,
            scheduler=DDIMScheduler(**DDIM),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).save_pretrained(folder, safe_serialization=True)
    return folder


def build_sdxl(folder: Path) -> Path:
    """Build a StableDiffusionXLPipeline folder: two text encoders, size conditioning, an Euler scheduler."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    tokenizer = build_tokenizer(folder.with_name(f"{folder.name}-words"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        StableDiffusionXLPipeline(
            vae=_autoencoder(),
            unet=_unet(
                cross_attention_dim=64,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=6 * 8 + 32,
            ),
            text_encoder=CLIPTextModel(_text(tokenizer)),
            text_encoder_2=CLIPTextModelWithProjection(_text(tokenizer)),
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            scheduler=EulerDiscreteScheduler(timestep_spacing="trailing"),
            add_watermarker=False,
        ).save_pretrained(folder, safe_serialization=True)
    return folder


def build_latent_consistency(folder: Path) -> Path:
    """Build a LatentConsistencyModelPipeline folder: the guidance is an input of the UNet, a few steps."""
    import torch
    from diffusers import LatentConsistencyModelPipeline, LCMScheduler
    from transformers import CLIPTextModel

    tokenizer = build_tokenizer(folder.with_name(f"{folder.name}-words"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LatentConsistencyModelPipeline(
            vae=_autoencoder(),
            unet=_unet(cross_attention_dim=32, time_cond_proj_dim=16),
            text_encoder=CLIPTextModel(_text(tokenizer)),
            tokenizer=tokenizer,
            scheduler=LCMScheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).save_pretrained(folder, safe_serialization=True)
    return folder


def build_sd3(folder: Path) -> Path:
    """Build a StableDiffusion3Pipeline folder: three text encoders, a transformer over 2 × 2 patches, flow matching."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextModelWithProjection, T5EncoderModel

    tokenizer = build_tokenizer(folder.with_name(f"{folder.name}-words"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        StableDiffusion3Pipeline(
            vae=_autoencoder(shift_factor=0.06, scaling_factor=1.5),
            transformer=SD3Transformer2DModel(
                sample_size=4,
                patch_size=2,
                in_channels=4,
                out_channels=4,
                num_layers=1,
                attention_head_dim=8,
                num_attention_heads=4,
                joint_attention_dim=64,
                caption_projection_dim=32,
                pooled_projection_dim=64,
                pos_embed_max_size=16,
            ),
            text_encoder=CLIPTextModelWithProjection(_text(tokenizer)),
            text_encoder_2=CLIPTextModelWithProjection(_text(tokenizer)),
            text_encoder_3=T5EncoderModel(_long_text(64)),
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            tokenizer_3=_long_tokenizer(),
            scheduler=FlowMatchEulerDiscreteScheduler(),
        ).save_pretrained(folder, safe_serialization=True)
    return folder


def build_flux(folder: Path) -> Path:
    """Build a FluxPipeline folder: packed latents, guidance as an input of the transformer."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel, T5EncoderModel

    tokenizer = build_tokenizer(folder.with_name(f"{folder.name}-words"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        FluxPipeline(
            vae=_autoencoder(shift_factor=0.06, scaling_factor=1.5),
            transformer=FluxTransformer2DModel(
                patch_size=1,
                in_channels=16,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=32,
                pooled_projection_dim=32,
                guidance_embeds=True,
                axes_dims_rope=(4, 4, 8),
            ),
            text_encoder=CLIPTextModel(_text(tokenizer)),
            text_encoder_2=T5EncoderModel(_long_text(32)),
            tokenizer=tokenizer,
            tokenizer_2=_long_tokenizer(),
            scheduler=FlowMatchEulerDiscreteScheduler(),
        ).save_pretrained(folder, safe_serialization=True)
    return folder


def build_tokenizer(folder: Path) -> Any:
    """Build a CLIPTokenizer with letters and a few words as its vocabulary."""
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(33, 127)]
    merges: list[str] = []
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters)]
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges.append(" ".join(parts[:2]))
            parts[:2] = ["".join(parts[:2])]
            vocabulary.append(parts[0])
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    numbered = {token: number for number, token in enumerate(dict.fromkeys(vocabulary))}
    (folder / "vocab.json").write_text(json.dumps(numbered))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *dict.fromkeys(merges)]) + "\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": TOKENS})
    )
    return CLIPTokenizer.from_pretrained(folder)


def change_weights(folder: Path, part: str, key: str, value: float) -> None:
    """Fill one tensor of one component with a number."""
    from safetensors.torch import load_file, save_file

    (path,) = (folder / part).glob("*.safetensors")
    weights = load_file(path)
    weights[key] = weights[key] * 0 + value
    save_file(weights, path, {"format": "pt"})


def _autoencoder(**settings: Any) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=32,
        **settings,
    )


def _unet(**settings: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=4,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        **settings,
    )


def _text(tokenizer: Any) -> Any:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        projection_dim=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _long_text(width: int) -> Any:
    from transformers import T5Config

    return T5Config(vocab_size=32, d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=2)


def _long_tokenizer() -> Any:
    """Build a T5 tokenizer with letters as its vocabulary and a limit of 64 tokens."""
    from transformers import T5TokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    letters = [(letter, -3.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
    return T5TokenizerFast(vocab=[*pieces, *letters], model_max_length=64, extra_ids=0)
