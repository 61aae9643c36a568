"""Generation: pictures from words, or from another picture and words."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from media.errors import ItemError
from modalities.contract import ModelSpec, Progress, Request, Result, Weights
from modalities.errors import InvalidCatalogue, InvalidRequest
from modalities.generation.pipelines import (
    Scheduler,
    can_avoid,
    check_length,
    check_size,
    fitted,
    known_name,
    load_pipelines,
    new_scheduler,
    sample,
)
from modalities.generation.png_metadata import png_with_recipe, readable_parameters
from modalities.models.devices import choose_device, choose_dtype
from modalities.models.operators import recipe_name
from storage.artifacts import Artifact, ArtifactStore

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_PIXELS = 2048 * 2048
_NO_NUL = r"^[^\x00]*$"


class GeneratedImage(Result):
    """One picture with its recipe in it (see read_recipe); `width` and `height` in pixels."""

    image: Artifact = Field(description="image/png")
    seed: int
    width: int
    height: int


class GenerateImage(Request[GeneratedImage]):
    """Make one picture of what the prompt says."""

    prompt: str = Field(min_length=1, max_length=4000, pattern=_NO_NUL)
    negative_prompt: str = Field(default="", max_length=4000, pattern=_NO_NUL, description="What to avoid.")
    seed: int = Field(ge=0, lt=2**32, description="Another seed, another picture.")
    steps: int = Field(ge=1, le=150, description="Of the whole way from noise; a start picture shortens it.")
    guidance: float = Field(ge=0, le=30, description="How closely to follow the prompt; 1 is no guidance.")
    width: int = Field(ge=16, le=4096, multiple_of=8, description="In pixels.")
    height: int = Field(ge=16, le=4096, multiple_of=8, description="In pixels.")
    scheduler: Scheduler = Field(default="default", description="default: the one that the model came with.")
    init_image: Artifact | None = Field(default=None, description="Start from it, cropped to the middle.")
    strength: float = Field(default=1.0, ge=0, le=1, description="0 keeps init_image, 1 ignores it.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.width * self.height > _MOST_PIXELS:
            raise ValueError(f"{self.width} × {self.height} is more than {_MOST_PIXELS} pixels: ask for fewer")
        if self.init_image is None and self.strength != 1.0:
            raise ValueError("strength says how much init_image changes: give init_image, or leave strength at 1")
        return self


class DiffusionOptions(BaseModel):
    """The `options` of a diffusion model in the catalogue: first what a request uses that does not choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=512, ge=16, multiple_of=8)
    height: int = Field(default=512, ge=16, multiple_of=8)
    steps: int = Field(default=30, ge=1, le=150)
    guidance: float = Field(default=7.0, ge=0, le=30)
    variant: str | None = Field(default=None, description="fp16 for files such as model.fp16.safetensors.")
    batch: int = Field(default=1, ge=1, description="Pictures sampled together on a GPU.")


def defaults_for(spec: ModelSpec) -> DiffusionOptions:
    """The size, steps and guidance that a model was made for. Raises InvalidCatalogue."""
    try:
        return DiffusionOptions.model_validate(spec.options)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidCatalogue(
            f"The model {spec.name} is not one for pictures, or its options are wrong: "
            f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."
        ) from error


class Diffusion:
    """Any text-to-image model in diffusers' folder form, through its automatic pipelines.

    The noise of a picture comes from a CPU generator that starts at the request's seed, on every device. On a CPU each
    picture is sampled by itself: with one number of threads, the same request gives the same bytes, alone or among
    others. On a GPU that holds as far as its kernels repeat themselves, and while `batch` is 1: above, the last bits
    of a picture may depend on those that were sampled with it.
    """

    version: ClassVar[str] = "1"

    def __init__(
        self, text_to_image: Any, image_to_image: Any | None, made_by: Mapping[str, str], batch_size: int
    ) -> None:
        self.batch_size = batch_size
        self._text_to_image = text_to_image
        self._image_to_image = image_to_image
        self._own_scheduler = text_to_image.scheduler
        self._made_by = made_by
        self._lock = threading.Lock()  # pipelines, and even tokenizers, keep the state of a call in themselves

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Load a folder with a model_index.json, from safetensors alone. Raises ModelUnavailable, InvalidCatalogue."""
        options = defaults_for(spec)
        device = choose_device(spec)
        dtype = choose_dtype(spec, device)
        made_by = {
            "operator": recipe_name(spec),
            "version": cls.version,
            "model": spec.name,
            "weights": weights.digest,
            "device": device,
            "dtype": dtype,
        }
        pipelines = load_pipelines(spec.name, weights.folder, device, dtype, options.variant)
        return cls(*pipelines, made_by, 1 if device == "cpu" else options.batch)

    def __call__(
        self, requests: Sequence[GenerateImage], store: ArtifactStore, progress: Progress
    ) -> Sequence[GeneratedImage | ItemError]:
        """One picture per request. What `progress` raises ends the sampling at the step it is in."""
        answers: dict[int, GeneratedImage | ItemError] = {}
        starts: dict[int, Image | None] = {}
        with self._lock:
            for number, request in enumerate(requests):
                try:
                    starts[number] = self._checked(request, store)
                except ItemError as error:
                    answers[number] = error
            for group in _alike(requests, starts, self.batch_size):
                share = _share(progress, len(answers), len(group), len(requests))
                asked = [requests[number] for number in group]
                try:
                    pictures = self._sample(asked, [starts[number] for number in group], share)
                except ItemError as error:
                    answers.update(dict.fromkeys(group, error))
                    continue
                for number, request, pixels in zip(group, asked, pictures, strict=True):
                    answers[number] = self._keep(request, pixels, store)
        progress(1.0)
        return [answers[number] for number in range(len(requests))]

    def _checked(self, request: GenerateImage, store: ArtifactStore) -> "Image | None":
        """The start picture in the requested size, if there is one. Raises for what the model cannot do."""
        pipeline = self._pipeline(request)
        if request.negative_prompt and not can_avoid(pipeline, request.guidance):
            raise InvalidRequest(
                f"The model {request.model} cannot avoid anything at guidance {request.guidance:g}: "
                "leave the negative prompt empty, or try a guidance above 1."
            )
        new_scheduler(self._own_scheduler, request.scheduler, request.model)
        check_size(pipeline, request.model, request.width, request.height)
        for prompt in (request.prompt, request.negative_prompt):
            check_length(pipeline, request.model, prompt)
        if request.init_image is None:
            return None
        if int(request.steps * request.strength) < 1:
            raise InvalidRequest(f"Strength {request.strength:g} of {request.steps} steps is no step: raise either.")
        return fitted(store.get(request.init_image), request.width, request.height)

    def _sample(self, requests: Sequence[GenerateImage], starts: Sequence[Any], progress: Progress) -> Any:
        """Pixels from 0 to 1 (pictures × height × width × 3) for requests that differ in words, seed and start only."""
        first = requests[0]
        pipeline = self._pipeline(first)

        def after_step(_pipeline: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            steps = getattr(pipeline, "num_timesteps", first.steps)
            progress((step + 1) / (steps + 1))  # what is left is decoding
            return tensors

        arguments = {
            "prompt": [request.prompt for request in requests],
            "negative_prompt": [request.negative_prompt for request in requests] if first.negative_prompt else None,
            "image": list(starts) if first.init_image else None,
            "strength": first.strength if first.init_image else None,
            "num_inference_steps": first.steps,
            "guidance_scale": first.guidance,
            "width": first.width,
            "height": first.height,
            "callback_on_step_end": after_step,
        }
        pipeline.scheduler = new_scheduler(self._own_scheduler, first.scheduler, first.model)
        return sample(pipeline, first.model, [request.seed for request in requests], arguments)

    def _keep(self, request: GenerateImage, pixels: Any, store: ArtifactStore) -> GeneratedImage | ItemError:
        import numpy as np
        from PIL import Image

        if not np.isfinite(pixels).all() or pixels.max() * 255 < 0.5:
            return InvalidRequest(
                f"The model {request.model} gave no picture for seed {request.seed} (its numbers overflowed, or its "
                "filter blacked it out): take another seed or prompt, or float32 as the model's dtype."
            )
        image = Image.fromarray((pixels * 255).round().astype(np.uint8))
        recipe = {**self._made_by, "request": request.model_dump(mode="json")}
        png = png_with_recipe(image, self._readable(request), recipe)
        return GeneratedImage(
            image=store.put(png, "image/png"), seed=request.seed, width=image.width, height=image.height
        )

    def _readable(self, request: GenerateImage) -> str:
        settings: dict[str, object] = {
            "Steps": request.steps,
            "Sampler": known_name(self._own_scheduler, request.scheduler),
            "CFG scale": request.guidance,
            "Seed": request.seed,
            "Size": f"{request.width}x{request.height}",
            "Model hash": self._made_by["weights"][:10],
            "Model": request.model,
        }
        if request.init_image:
            settings["Denoising strength"] = request.strength
        return readable_parameters(request.prompt, request.negative_prompt, settings)

    def _pipeline(self, request: GenerateImage) -> Any:
        if request.init_image is None:
            return self._text_to_image
        if self._image_to_image is None:
            raise InvalidRequest(f"The model {request.model} cannot start from a picture: leave the start picture out.")
        return self._image_to_image


def _alike(requests: Sequence[GenerateImage], numbers: Iterable[int], size: int) -> Iterator[list[int]]:
    """The numbers of requests that can be sampled together, at most `size` at once."""
    groups: defaultdict[object, list[int]] = defaultdict(list)
    for number in numbers:
        request = requests[number]
        settings = request.model_dump(exclude={"prompt", "negative_prompt", "seed", "init_image"})
        groups[(*settings.items(), bool(request.negative_prompt), request.init_image is None)].append(number)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def _share(progress: Progress, done: int, size: int, total: int) -> Progress:
    return lambda fraction: progress((done + fraction * size) / total)
