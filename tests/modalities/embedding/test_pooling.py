"""A sentence encoder runs with the pooling that it was trained with, or is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modalities.contract import ModelSpec, Source, no_progress
from modalities.embedding.pooling import trained_pooling
from modalities.embedding.requests import EmbedText, read_vector
from modalities.embedding.text_encoder import TextEncoder
from modalities.errors import InvalidCatalogue, ModelUnavailable
from modalities.models.weights import WeightsLocator
from storage.artifacts import ArtifactStore

LAYERS = "sentence_transformers.models."


def describe(folder: Path, pooling: dict[str, Any], *layers: str) -> Path:
    """Write the files in which sentence-transformers describes a model."""
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), *((f"{layer}", layer) for layer in layers)]
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 384, **pooling}))
    (folder / "modules.json").write_text(json.dumps([{"path": path, "type": LAYERS + kind} for path, kind in modules]))
    return folder


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["mean"]}, "mean"),
    ],
)
def test_the_pooling_is_read_in_the_old_and_the_new_form(
    tmp_path: Path, pooling: dict[str, Any], expected: str
) -> None:
    assert trained_pooling("tiny", describe(tmp_path, pooling, "Normalize")) == expected


def test_a_folder_without_these_files_has_no_known_pooling(tmp_path: Path) -> None:
    assert trained_pooling("tiny", tmp_path) is None


@pytest.mark.parametrize(
    ("pooling", "layers", "named"),
    [
        ({"pooling_mode_max_tokens": True}, (), "max"),
        ({"pooling_mode": ["mean", "cls"]}, (), "mean, cls|cls, mean"),
        ({"pooling_mode": "mean"}, ("Dense",), "Dense"),
    ],
)
def test_another_pooling_or_another_layer_is_refused(
    tmp_path: Path, pooling: dict[str, Any], layers: tuple[str, ...], named: str
) -> None:
    with pytest.raises(ModelUnavailable, match=named):
        trained_pooling("tiny", describe(tmp_path, pooling, *layers))


def test_a_cls_model_is_refused_until_its_entry_says_so_and_then_gives_the_first_tokens_vector(
    starter_models: dict[str, ModelSpec],
    weights_locator: WeightsLocator,
    modality_store: ArtifactStore,
    tmp_path: Path,
) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    (package,) = weights_locator.locate(starter_models["starter-minilm"]).folders
    folder = describe(tmp_path / "model", {"pooling_mode_cls_token": True}, "Normalize")
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).symlink_to(package / "model" / name)
    spec = ModelSpec(name="cls", operator="text-encoder", source=Source(folder="model"), licence="MIT", dtype="float32")
    locator = WeightsLocator(tmp_path, tmp_path / "cache", None)
    with pytest.raises(InvalidCatalogue, match="set `pooling: cls`"):
        TextEncoder.load(spec, locator.locate(spec))
    operator = TextEncoder.load(spec.model_copy(update={"options": {"pooling": "cls"}}), locator.locate(spec))
    texts = ["ships", "the court of appeal decided"]
    answers = operator([EmbedText(model="cls", text=text) for text in texts], modality_store, no_progress)
    found = np.stack([read_vector(modality_store, answer) for answer in answers])
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        first = model(**tokenizer(texts, padding=True, return_tensors="pt")).last_hidden_state[:, 0]
    expected = torch.nn.functional.normalize(first, dim=-1).numpy()
    assert np.abs(found - expected).max() < 1e-5
