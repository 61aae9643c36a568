"""The operator for open_clip models."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from media.errors import ItemError
from modalities.contract import ModelSpec, Progress, Weights
from modalities.embedding.requests import Embedding, EmbedImage, EmbedText, Vectors
from modalities.embedding.two_towers import embed, unit_rows
from modalities.errors import InvalidCatalogue, ModelUnavailable
from modalities.models.devices import DeviceName, choose_device, choose_dtype
from storage.artifacts import ArtifactStore

if TYPE_CHECKING:
    from PIL.Image import Image

_PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


class OpenClipOptions(BaseModel):
    """The `options` of an open_clip model in the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str | None = Field(
        default=None, description="Such as ViT-B-32; default: that of open_clip_config.json."
    )
    weights_file: str | None = Field(
        default=None, description="The safetensors file to load, if the folder has several."
    )
    preprocess: dict[str, Any] | None = Field(
        default=None, description="Overrides of the model's preprocessing: mean, std, interpolation, resize_mode."
    )


class OpenClip:
    """Any open_clip model: its image tower and its text tower. Texts longer than the model's context are truncated.

    The other requests of a batch change a vector by rounding only: less than 1e-5 per component in float32, and about
    the rounding error of the dtype in half precision.
    """

    version: ClassVar[str] = "1"

    def __init__(self, model: Any, tokenizer: Any, device: DeviceName, precision: str) -> None:
        import open_clip
        from open_clip.transform import PreprocessCfg, image_transform_v2

        self.batch_size = 16 if device == "cpu" else 128
        preprocess = PreprocessCfg(**model.visual.preprocess_cfg)
        self.picture_side = preprocess.size if isinstance(preprocess.size, int) else max(preprocess.size)
        self._transform: Any = image_transform_v2(preprocess, is_train=False)
        self._model = model
        self._tokenizer = tokenizer
        self._device = device
        self._input_dtype = open_clip.get_input_dtype(precision)

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Load safetensors with open_clip_config.json, or for the architecture in the options.

        Raises ModelUnavailable, and InvalidCatalogue for an unsupported dtype.
        """
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
                load_weights=False,  # it would accept pickles; load_checkpoint below replaces the random weights
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
        """Return one embedding per picture or text."""
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


def _weights_file(name: str, folder: Path, wanted: str | None) -> Path:
    """The file named in the options, one of open_clip's usual names, or the only file. Raises ModelUnavailable."""
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
