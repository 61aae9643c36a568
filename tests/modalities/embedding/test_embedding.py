"""Pictures and texts are embedded as vectors whose cosine measures similarity."""

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from media.errors import UnreadableMedia
from modalities.contract import ModelSpec, Operator, Source, Weights, no_progress
from modalities.embedding.class_name_clip import ClassNameClip
from modalities.embedding.open_clip import OpenClip
from modalities.embedding.requests import Embedding, EmbedImage, EmbedText, read_vector
from modalities.embedding.text_encoder import TextEncoder
from modalities.errors import InvalidRequest, ModelUnavailable
from modalities.models.weights import WeightsLocator
from storage.artifacts import ArtifactStore
from tests.paths import ROOT

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
PASSAGES = (
    "The ferry leaves the harbour at seven and reaches the island before noon.",
    "Knead the dough for ten minutes and let it rise under a cloth.",
    "The court dismissed the appeal and upheld the fine.",
    "Her violin concerto was first performed in Leipzig.",
    "Water the tomatoes in the morning so that the leaves dry by evening.",
)


@pytest.fixture(scope="session")
def starter_clip(starter_models: dict[str, ModelSpec], weights_locator: WeightsLocator) -> ClassNameClip:
    spec = starter_models["starter-clip"]
    return ClassNameClip.load(spec, weights_locator.locate(spec))


@pytest.fixture(scope="session")
def minilm(starter_models: dict[str, ModelSpec], weights_locator: WeightsLocator) -> TextEncoder:
    spec = starter_models["starter-minilm"]
    return TextEncoder.load(spec, weights_locator.locate(spec))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small open_clip model with random weights, in open_clip's folder layout."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("tiny")
    preprocess = {
        "mean": [0.4, 0.5, 0.6],
        "std": [0.3, 0.2, 0.25],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": preprocess}))
    with torch.random.fork_rng():
        torch.manual_seed(7)
        save_file(open_clip.CLIP(**TINY).state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> OpenClip:
    return load_open_clip(tiny_folder, tmp_path_factory.mktemp("cache"))


def load_open_clip(folder: Path, cache: Path, **entry: Any) -> OpenClip:
    spec = ModelSpec(
        name="tiny",
        operator="open-clip",
        source=Source(folder=str(folder)),
        licence="Apache-2.0",
        **{"device": "cpu", "dtype": "float32", **entry},
    )
    return OpenClip.load(spec, WeightsLocator(folder, cache, None).locate(spec))


def picture(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Large soft patches of colour."""
    patches = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC)


def file(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def ask(store: ArtifactStore, question: bytes | str, **settings: Any) -> EmbedImage | EmbedText:
    if isinstance(question, str):
        return EmbedText(model="any", text=question, **settings)
    return EmbedImage(model="any", image=store.put(question, "application/octet-stream"))


def vectors(operator: Operator[Any], store: ArtifactStore, questions: Sequence[bytes | str]) -> np.ndarray:
    answers = operator([ask(store, question) for question in questions], store, no_progress)
    return np.stack([read_vector(store, answer) for answer in answers])


def test_requests_and_operators_are_imported_without_a_model_library() -> None:
    code = (
        "import sys, modalities.embedding.open_clip, modalities.embedding.text_encoder\n"
        "import modalities.embedding.class_name_clip\n"
        "print(sorted({'torch', 'transformers', 'timm', 'open_clip', 'PIL'} & set(sys.modules)))"
    )
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"


@pytest.mark.shared_data
def test_a_query_finds_its_picture(
    starter_clip: ClassNameClip, modality_store: ArtifactStore, shared_data: Path
) -> None:
    entries = json.loads((shared_data / "photos" / "captions.json").read_text(encoding="utf-8"))
    photos = [entry for entry in entries if entry["file"].startswith(("coco_", "tux_"))]
    assert len(photos) == 85
    files = [(shared_data / "photos" / photo["file"]).read_bytes() for photo in photos]
    pictures = vectors(starter_clip, modality_store, files)
    words = vectors(starter_clip, modality_store, [photo["captions"]["en"][0] for photo in photos])
    assert pictures.shape == words.shape == (85, 384)
    likeness = words @ pictures.T
    ranks = (likeness > np.diag(likeness)[:, None]).sum(1)
    recall = {k: float((ranks < k).mean()) for k in (1, 5, 10)}
    print("text to picture, recall at", recall)
    assert recall[1] >= 0.38
    assert recall[10] >= 0.68


@pytest.mark.parametrize("name", ["starter_clip", "tiny_clip"])
def test_vectors_have_length_one_and_do_not_depend_on_their_batch(
    request: pytest.FixtureRequest, modality_store: ArtifactStore, name: str
) -> None:
    operator = request.getfixturevalue(name)
    questions: list[bytes | str] = ["a red bus", *(file(picture(seed)) for seed in range(18)), *PASSAGES]
    together = vectors(operator, modality_store, questions)
    alone = np.stack([vectors(operator, modality_store, [question])[0] for question in questions])
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    assert (together * alone).sum(1).min() > 0.999
    assert ((together @ alone.T).argmax(1) == np.arange(len(questions))).all()


@pytest.mark.parametrize("name", ["starter_clip", "tiny_clip"])
def test_a_picture_that_cannot_be_read_fails_alone(
    request: pytest.FixtureRequest, modality_store: ArtifactStore, name: str
) -> None:
    operator = request.getfixturevalue(name)
    whole = file(picture(1), "JPEG")
    unknown = bytearray(file(picture(1), "DDS"))
    unknown[80:84] = bytes(4)  # a pixel format that nobody defined
    broken = [b"no picture at all", whole[: len(whole) // 2], b"", bytes(unknown)]
    questions = [whole, "some words", *broken, file(picture(2))]
    seen: list[float] = []
    answers = operator([ask(modality_store, question) for question in questions], modality_store, seen.append)
    assert [type(answer) for answer in answers] == [Embedding, Embedding, *[UnreadableMedia] * 4, Embedding]
    good = [read_vector(modality_store, answers[number]) for number in (0, 1, 6)]
    alone = [vectors(operator, modality_store, [questions[number]])[0] for number in (0, 1, 6)]
    assert (np.stack(good) * np.stack(alone)).sum(1).min() > 0.999
    assert seen[-1] == 1.0


@pytest.mark.shared_data
def test_hostile_files_are_embedded_or_refused(tiny_clip: OpenClip, store: ArtifactStore, shared_data: Path) -> None:
    files = sorted((shared_data / "hostile").iterdir())
    answers = tiny_clip([ask(store, path.read_bytes()) for path in files], store, no_progress)
    answer = {path.name: type(answer) for path, answer in zip(files, answers, strict=True)}
    assert set(answer.values()) <= {Embedding, UnreadableMedia}
    for name in ("cmyk.jpg", "gray.jpg", "gray16.png", "palette.gif", "one_pixel.png", "wide_30000x2.png"):
        assert answer[name] is Embedding, name
    for name in ("bomb_20000x20000_gray.png", "truncated_header.jpg", "not_an_image.jpg", "ztxt_bomb_60MB.png"):
        assert answer[name] is UnreadableMedia, name


def test_a_picture_is_embedded_upright_and_in_rgb_whatever_its_file_format(
    starter_clip: ClassNameClip, modality_store: ArtifactStore
) -> None:
    upright = picture(3)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees clockwise
    lying = file(upright.transpose(Image.Transpose.ROTATE_90), exif=turned)
    opaque = file(upright.convert("RGBA"))
    grey, deep = upright.convert("L"), np.asarray(upright.convert("L")).astype(np.uint16) * 256
    first, second, third, fourth, fifth = vectors(
        starter_clip, modality_store, [file(upright), lying, opaque, file(grey), file(Image.fromarray(deep))]
    )
    assert first @ second == pytest.approx(1, abs=1e-3)
    assert first @ third == pytest.approx(1, abs=1e-3)
    assert fourth @ fifth == pytest.approx(1, abs=1e-3)
    assert first @ fourth < 0.999


@pytest.mark.parametrize(
    ("question", "answer"),
    [("When does the ship go?", 0), ("baking bread", 1), ("a judge decided", 2), ("classical music", 3), ("garden", 4)],
)
def test_a_question_finds_the_closest_passage(
    minilm: TextEncoder, modality_store: ArtifactStore, question: str, answer: int
) -> None:
    found = vectors(minilm, modality_store, PASSAGES) @ vectors(minilm, modality_store, [question])[0]
    assert int(found.argmax()) == answer


def test_texts_of_all_lengths_are_embedded_in_order(minilm: TextEncoder, modality_store: ArtifactStore) -> None:
    texts = ["", *(" ".join(PASSAGES[number % 5].split() * (1 + number % 7)) for number in range(45)), "猫 🐈"]
    together = vectors(minilm, modality_store, texts)
    assert together.shape == (len(texts), 384)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    alone = np.stack([vectors(minilm, modality_store, [text])[0] for text in texts])
    assert (together * alone).sum(1).min() > 0.999


def test_text_beyond_the_token_limit_is_ignored(minilm: TextEncoder, modality_store: ArtifactStore) -> None:
    long = "bread and butter " * 100
    one, other, short = vectors(minilm, modality_store, [f"{long} ships", f"{long} and the court of appeal", "ships"])
    assert one @ other == pytest.approx(1, abs=1e-3)
    assert one @ short < 0.9


def test_each_role_has_its_prefix(
    starter_models: dict[str, ModelSpec], weights_locator: WeightsLocator, modality_store: ArtifactStore
) -> None:
    spec = starter_models["starter-minilm"].model_copy(
        update={"options": {"prefixes": {"query": "question: "}}, "dtype": "float32"}
    )
    operator = TextEncoder.load(spec, weights_locator.locate(spec))
    requests = [
        ask(modality_store, "ships", role="query"),
        ask(modality_store, "question: ships", role="passage"),
        ask(modality_store, "ships", role="passage"),
    ]
    query, written, passage = (
        read_vector(modality_store, answer) for answer in operator(requests, modality_store, no_progress)
    )
    assert query @ written == pytest.approx(1, abs=1e-5)
    assert query @ passage < 0.99


def test_a_picture_for_a_text_encoder_is_an_error_that_says_so(
    minilm: TextEncoder, modality_store: ArtifactStore
) -> None:
    requests = [ask(modality_store, file(picture(1))), ask(modality_store, "ships")]
    refused, read = minilm(requests, modality_store, no_progress)
    assert isinstance(refused, InvalidRequest)
    assert "starter-minilm" in str(refused)
    assert isinstance(read, Embedding)


def test_an_open_clip_model_gives_the_vectors_that_open_clip_gives(
    tiny_clip: OpenClip, tiny_folder: Path, modality_store: ArtifactStore
) -> None:
    import open_clip
    import torch

    model, look = open_clip.create_model_from_pretrained(f"local-dir:{tiny_folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tiny_folder}")
    images = [picture(seed, size) for seed, size in enumerate([(96, 64), (50, 90), (33, 32)])]
    texts = ["a dog", "two dogs in a boat " * 20, ""]
    with torch.inference_mode():
        expected = torch.cat(
            [
                model.encode_image(torch.stack([look(image) for image in images]), normalize=True),
                model.encode_text(tokenizer(texts), normalize=True),
            ]
        )
    found = vectors(tiny_clip, modality_store, [*map(file, images), *texts])
    assert np.abs(found - expected.numpy()).max() < 1e-5


def test_an_open_clip_model_can_be_an_architecture_and_a_weights_file(
    tiny_clip: OpenClip, tiny_folder: Path, tmp_path: Path, modality_store: ArtifactStore
) -> None:
    import open_clip

    (tmp_path / "tiny-test-model.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "tiny-test-model.json")
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("wanted.safetensors", "other.safetensors"):
        (folder / name).write_bytes((tiny_folder / "open_clip_model.safetensors").read_bytes())
    options: dict[str, Any] = {
        "architecture": "tiny-test-model",
        "preprocess": {"mean": [0.4, 0.5, 0.6], "std": [0.3, 0.2, 0.25]},
    }
    with pytest.raises(ModelUnavailable, match="weights_file"):
        load_open_clip(folder, tmp_path / "cache", options=options)
    operator = load_open_clip(folder, tmp_path / "cache", options={**options, "weights_file": "wanted.safetensors"})
    questions = [file(picture(5)), "a dog"]
    found = vectors(operator, modality_store, questions)
    assert np.abs(found - vectors(tiny_clip, modality_store, questions)).max() < 1e-6


def test_weights_in_a_pickle_are_not_loaded(tiny_folder: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    (tmp_path / "open_clip_config.json").write_text((tiny_folder / "open_clip_config.json").read_text())
    torch.save(load_file(tiny_folder / "open_clip_model.safetensors"), tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="safetensors"):
        load_open_clip(tmp_path, tmp_path / "cache")


def test_a_model_of_other_shapes_is_refused_with_its_name(tiny_folder: Path, tmp_path: Path) -> None:
    config = json.loads((tiny_folder / "open_clip_config.json").read_text())
    config["model_cfg"]["embed_dim"] = 48
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    weights = (tiny_folder / "open_clip_model.safetensors").read_bytes()
    (tmp_path / "open_clip_model.safetensors").write_bytes(weights)
    with pytest.raises(ModelUnavailable, match="tiny"):
        load_open_clip(tmp_path, tmp_path / "cache")


def test_the_image_tower_is_cached_as_safetensors_and_loaded_from_there(
    starter_models: dict[str, ModelSpec], weights_locator: WeightsLocator, starter_clip: ClassNameClip, tmp_path: Path
) -> None:
    spec = starter_models["starter-clip"]
    weights = weights_locator.locate(spec)
    assert starter_clip.batch_size > 1
    kept = sorted(path.name for path in weights.cache.iterdir())
    assert [name.split(".")[-1] for name in kept] == ["safetensors"] * 2
    without_pickle = tmp_path / "package"
    without_pickle.mkdir()
    again = ClassNameClip.load(spec, Weights((without_pickle, weights.folders[1]), weights.digest, weights.cache))
    assert again.batch_size == starter_clip.batch_size
