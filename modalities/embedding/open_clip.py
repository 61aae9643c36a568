"""Embedding: what a picture shows, or a text says, as a vector; near vectors mean similar things."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from media.errors import ItemError, UnreadableMedia
from media.pictures import upright_rgb
from modalities.contract import ModelSpec, Progress, Request, Result, Weights
from modalities.errors import InvalidCatalogue, ModelUnavailable
from modalities.models.devices import DeviceName, choose_device, choose_dtype
from storage.artifacts import Artifact, ArtifactStore

if TYPE_CHECKING:
    from PIL.Image import Image

Vectors = NDArray[np.float32]
"""One row per picture or text, each of length 1."""
Role = Literal["query", "passage"]
_AT_ONCE = 4
_MOST_ELONGATED = 32
_PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


class Embedding(Result):
    """A vector of length 1."""

    vector: Artifact = Field(description="application/octet-stream: little-endian float32; see read_vector.")
    dimension: int = Field(ge=1)


class EmbedImage(Request[Embedding]):
    """What does the picture show? It is comparable with EmbedText of the same model, if that model sees and reads."""

    image: Artifact


class EmbedText(Request[Embedding]):
    """What does the text mean? Models that tell questions from answers look at the role."""

    text: str
    role: Role = Field(default="query", description="query: it looks for something; passage: it is to be found.")


def read_vector(store: ArtifactStore, embedding: Embedding) -> Vectors:
    """The vector, float32 of shape (dimension,)."""
    return np.frombuffer(store.get(embedding.vector), "<f4", count=embedding.dimension).astype(np.float32)


def keep_vectors(store: ArtifactStore, vectors: Vectors) -> list[Embedding]:
    """One embedding per row."""

    def keep(vector: Vectors) -> Embedding:
        data = vector.astype("<f4").tobytes()
        return Embedding(vector=store.put(data, "application/octet-stream"), dimension=len(vector))

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(keep, vectors))


class TwoTowers(Protocol):
    """A model that puts pictures and texts into one space."""

    batch_size: int
    picture_side: int
    """Pixels of the square that the model looks at."""

    def prepare(self, picture: "Image") -> Any:
        """An upright RGB picture as the model takes it."""
        ...

    def encode_pictures(self, prepared: Sequence[Any]) -> Vectors:
        """One row per prepared picture."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """One row per text."""
        ...


def embed(
    towers: TwoTowers, requests: Sequence[EmbedImage | EmbedText], store: ArtifactStore, progress: Progress
) -> list[Embedding | ItemError]:
    """One embedding per request, in order; UnreadableMedia in the place of a picture that cannot be decoded."""
    answers: list[Embedding | ItemError] = []
    for start in range(0, len(requests), towers.batch_size):
        answers += _embed_batch(towers, requests[start : start + towers.batch_size], store)
        progress(len(answers) / len(requests))
    return answers


def _embed_batch(
    towers: TwoTowers, requests: Sequence[EmbedImage | EmbedText], store: ArtifactStore
) -> list[Embedding | ItemError]:
    images = [request.image for request in requests if isinstance(request, EmbedImage)]
    texts = [request.text for request in requests if isinstance(request, EmbedText)]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        prepared = list(threads.map(partial(_prepare, towers, store), images))
    readable = [picture for picture in prepared if not isinstance(picture, UnreadableMedia)]
    seen = iter(keep_vectors(store, towers.encode_pictures(readable)) if readable else [])
    read = iter(keep_vectors(store, towers.encode_texts(texts)) if texts else [])
    looked = iter([picture if isinstance(picture, UnreadableMedia) else next(seen) for picture in prepared])
    return [next(looked) if isinstance(request, EmbedImage) else next(read) for request in requests]


def _prepare(towers: TwoTowers, store: ArtifactStore, image: Artifact) -> Any:
    """The prepared picture, or UnreadableMedia."""
    try:
        return towers.prepare(_read_picture(store.get(image), towers.picture_side))
    except UnreadableMedia as error:
        return error


def _read_picture(data: bytes, side: int) -> "Image":
    """The picture, upright and in RGB; the middle of one that is more than 32 times as long as wide.

    Raises UnreadableMedia.
    """
    from PIL import Image

    try:
        with Image.open(BytesIO(data)) as image:
            image.draft("RGB", (side * 2, side * 2))  # a JPEG far larger than the model looks at is decoded smaller
            picture = upright_rgb(image)
    except (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError) as error:
        raise UnreadableMedia("The picture cannot be decoded: its data is broken, cut off or far too large.") from error
    # A model that scales the short side to its square would make gigabytes of a strip that is two pixels high.
    longest = min(picture.size) * _MOST_ELONGATED
    width, height = min(picture.width, longest), min(picture.height, longest)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


class OpenClipOptions(BaseModel):
    """The `options` of an open_clip model in the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str | None = Field(
        default=None, description="Such as ViT-B-32; as open_clip_config.json says if not given."
    )
    weights_file: str | None = Field(default=None, description="The safetensors file, if the folder has several.")
    preprocess: dict[str, Any] | None = Field(
        default=None, description="What differs from the model's own: mean, std, interpolation, resize_mode."
    )


class OpenClip:
    """Any open_clip model: its image tower and its text tower.

    What else is in a batch changes a vector by rounding alone: less than 1e-5 per component in float32, and about
    as much as the number format rounds in half precision. Texts longer than the model's context are cut.
    """

    version: ClassVar[str] = "1"

    def __init__(self, model: Any, tokenizer: Any, device: DeviceName, precision: str) -> None:
        import open_clip
        from open_clip.transform import PreprocessCfg, image_transform_v2

        self.batch_size = 16 if device == "cpu" else 128
        looks = PreprocessCfg(**model.visual.preprocess_cfg)
        self.picture_side = looks.size if isinstance(looks.size, int) else max(looks.size)
        self._transform: Any = image_transform_v2(looks, is_train=False)
        self._model = model
        self._tokenizer = tokenizer
        self._device = device
        self._input_dtype = open_clip.get_input_dtype(precision)

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """A folder with open_clip_config.json, or an architecture, and safetensors. Raises ModelUnavailable."""
        import open_clip
        from open_clip.factory import load_checkpoint

        options = OpenClipOptions.model_validate(spec.options)
        name = options.architecture or f"local-dir:{weights.folder}"
        device = choose_device(spec)
        dtype = choose_dtype(spec, device)
        if dtype not in _PRECISIONS:
            raise InvalidCatalogue(f"The model {spec.name} cannot run in {dtype}: use auto, float32 or bfloat16.")
        file = _weights_file(spec.name, weights.folder, options.weights_file)
        try:
            model: Any = open_clip.create_model(
                name,
                precision=_PRECISIONS[dtype],
                device=device,
                load_weights=False,  # it would take pickles too; so it warns of random weights, until the next call
                pretrained_text=False,
                force_preprocess_cfg=options.preprocess,
            )
            load_checkpoint(model, str(file))
            tokenizer = open_clip.get_tokenizer(name)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise ModelUnavailable(f"The model {spec.name} is not one that open_clip can load: {error}.") from error
        return cls(model.eval(), tokenizer, device, _PRECISIONS[dtype])

    def __call__(
        self, requests: Sequence[EmbedImage | EmbedText], store: ArtifactStore, progress: Progress
    ) -> Sequence[Embedding | ItemError]:
        """One embedding per picture or text."""
        return embed(self, requests, store, progress)

    def prepare(self, picture: "Image") -> Any:
        return self._transform(picture)

    def encode_pictures(self, prepared: Sequence[Any]) -> Vectors:
        import torch

        with torch.inference_mode():
            pixels = torch.stack(list(prepared)).to(self._device, self._input_dtype)
            return unit_rows(self._model.encode_image(pixels))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        import torch

        with torch.inference_mode():
            return unit_rows(self._model.encode_text(self._tokenizer(list(texts)).to(self._device)))


def unit_rows(rows: Any) -> Vectors:
    """A tensor's rows (n, dimension), each scaled to length 1 in float32."""
    import torch

    return torch.nn.functional.normalize(rows.float(), dim=-1).cpu().numpy()


def _weights_file(name: str, folder: Path, wanted: str | None) -> Path:
    """The file that is named, the one open_clip writes, or the only one. Raises ModelUnavailable."""
    found = {path.name: path for path in sorted(folder.glob("*.safetensors"))}
    usual = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
    for candidate in (wanted,) if wanted else usual:
        if candidate in found:
            return found[candidate]
    if wanted or len(found) != 1:
        raise ModelUnavailable(
            f"The weights of {name} are not clear: expected {wanted or 'one .safetensors file'}, "
            f"found {', '.join(found) or 'none'}; `weights_file` in its options names one."
        )
    return next(iter(found.values()))
