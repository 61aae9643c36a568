"""The operator for diffusion models, run by diffusers."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from media.errors import ItemError
from modalities.contract import ModelSpec, Progress, Weights, progress_of_part
from modalities.errors import InvalidRequest
from modalities.generation.long_prompts import count_windows, encode_windows
from modalities.generation.masks import composite, keep_outside, read_mask
from modalities.generation.picture_metadata import encode_png, format_parameters
from modalities.generation.pipelines import (
    check_size,
    display_name,
    fit_to_size,
    load_pipelines,
    new_scheduler,
    sample,
    uses_negative_prompt,
)
from modalities.generation.previews import preview_steps, put_previews
from modalities.generation.requests import GeneratedImage, GenerateImage, defaults_for
from modalities.models.devices import choose_device, choose_dtype
from modalities.models.operators import recipe_name
from storage.artifacts import ArtifactStore

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class _Prepared:
    """What a valid request is sampled from; `windows` counts those of its longer prompt (see long_prompts)."""

    start: "Image | None"
    mask: "Image | None"
    windows: int


class Diffusion:
    """Any text-to-image model in diffusers' folder layout, loaded by diffusers' auto pipelines.

    On every device, the noise of a picture comes from a CPU generator seeded with the request's seed. On a CPU, each
    picture is sampled alone: for a fixed number of threads, equal requests give equal bytes, whatever else is in the
    batch. On a GPU this holds if its kernels are deterministic and `batch` is 1; with larger batches, the last bits of
    a picture may depend on the other pictures of the batch.
    """

    version: ClassVar[str] = "1"

    def __init__(
        self, text_to_image: Any, image_to_image: Any | None, provenance: Mapping[str, str], batch_size: int
    ) -> None:
        self.batch_size = batch_size
        self._text_to_image = text_to_image
        self._image_to_image = image_to_image
        self._own_scheduler = text_to_image.scheduler
        self._provenance = provenance
        self._lock = threading.Lock()  # pipelines and tokenizers are not thread-safe: they keep state of a call

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Load the safetensors of a folder with model_index.json. Raises ModelUnavailable, InvalidCatalogue."""
        options = defaults_for(spec)
        device = choose_device(spec)
        dtype = choose_dtype(spec, device)
        provenance = {
            "operator": recipe_name(spec),
            "version": cls.version,
            "model": spec.name,
            "weights": weights.digest,
            "device": device,
            "dtype": dtype,
        }
        pipelines = load_pipelines(spec.name, weights.folder, device, dtype, options.variant)
        return cls(*pipelines, provenance, 1 if device == "cpu" else options.batch)

    def __call__(
        self, requests: Sequence[GenerateImage], store: ArtifactStore, progress: Progress
    ) -> Sequence[GeneratedImage | ItemError]:
        """Return one picture per request. An exception from `progress` aborts sampling at the current step."""
        answers: dict[int, GeneratedImage | ItemError] = {}
        prepared: dict[int, _Prepared] = {}
        with self._lock:
            for number, request in enumerate(requests):
                try:
                    prepared[number] = self._prepare(request, store)
                except ItemError as error:
                    answers[number] = error
            for group in _compatible_batches(requests, prepared, self.batch_size):
                group_progress = progress_of_part(progress, len(answers), len(group), len(requests))
                group_requests = [requests[number] for number in group]
                try:
                    pictures = self._sample(
                        group_requests, [prepared[number] for number in group], store, group_progress
                    )
                except ItemError as error:
                    answers.update(dict.fromkeys(group, error))
                    continue
                for number, request, pixels in zip(group, group_requests, pictures, strict=True):
                    answers[number] = self._store_picture(request, pixels, store)
        progress(1.0)
        return [answers[number] for number in range(len(requests))]

    def _prepare(self, request: GenerateImage, store: ArtifactStore) -> _Prepared:
        """Validate a request against the model, and read its start picture and mask in the requested size.

        Raises InvalidRequest, UnreadableMedia.
        """
        pipeline = self._pipeline(request)
        if request.negative_prompt and not uses_negative_prompt(pipeline, request.guidance):
            raise InvalidRequest(
                f"The model {request.model} cannot avoid anything at guidance {request.guidance:g}: "
                "leave the negative prompt empty, or try a guidance above 1."
            )
        new_scheduler(self._own_scheduler, request.scheduler, request.model)
        check_size(pipeline, request.model, request.width, request.height)
        prompts = (request.prompt, request.negative_prompt)
        windows = max(count_windows(pipeline, request.model, prompt) for prompt in prompts)
        if request.init_image is None:
            return _Prepared(None, None, windows)
        if int(request.steps * request.strength) < 1:
            raise InvalidRequest(f"Strength {request.strength:g} of {request.steps} steps is no step: raise either.")
        data = store.get(request.init_image)
        start = fit_to_size(data, request.width, request.height)
        mask = read_mask(store.get(request.mask), data, request.width, request.height) if request.mask else None
        return _Prepared(start, mask, windows)

    def _sample(
        self,
        requests: Sequence[GenerateImage],
        prepared: Sequence[_Prepared],
        store: ArtifactStore,
        progress: Progress,
    ) -> Any:
        """Sample requests that differ only in prompt, seed and start picture; one with a mask is alone.

        Returns pixels from 0 to 1 of shape (pictures, height, width, 3).
        """
        first = requests[0]
        pipeline = self._pipeline(first)
        start, mask = prepared[0].start, prepared[0].mask
        keep = keep_outside(pipeline, first.model, start, mask, first.seed) if start and mask else None

        def after_step(_pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            steps = getattr(pipeline, "num_timesteps", first.steps)
            progress((step + 1) / (steps + 1))  # the last share is decoding the latents
            kept = keep(_pipeline, step, timestep, tensors) if keep else tensors
            shown = preview_steps(steps, first.previews)
            if step + 1 in shown:
                put_previews(store, requests, shown.index(step + 1), pipeline, kept["latents"])
            return kept

        arguments = self._prompts(requests, prepared[0].windows) | {
            "image": [each.start for each in prepared] if first.init_image else None,
            "strength": first.strength if first.init_image else None,
            "num_inference_steps": first.steps,
            "guidance_scale": first.guidance,
            "width": first.width,
            "height": first.height,
            "callback_on_step_end": after_step,
        }
        pipeline.scheduler = new_scheduler(self._own_scheduler, first.scheduler, first.model)
        pixels = sample(pipeline, first.model, [request.seed for request in requests], arguments)
        return [composite(start, pixels[0], mask)] if start and mask else pixels

    def _prompts(self, requests: Sequence[GenerateImage], windows: int) -> dict[str, Any]:
        """Return the pipeline's arguments for the prompts: texts, or the encodings of prompts of several windows."""
        first = requests[0]
        prompts = [request.prompt for request in requests]
        negatives = [request.negative_prompt for request in requests]
        if windows > 1:
            return dict(encode_windows(self._pipeline(first), prompts, negatives, first.guidance, windows))
        return {"prompt": prompts, "negative_prompt": negatives if first.negative_prompt else None}

    def _store_picture(self, request: GenerateImage, pixels: Any, store: ArtifactStore) -> GeneratedImage | ItemError:
        import numpy as np
        from PIL import Image

        if not np.isfinite(pixels).all() or pixels.max() * 255 < 0.5:
            return InvalidRequest(
                f"The model {request.model} gave no picture for seed {request.seed} (its numbers overflowed, or its "
                "filter blacked it out): take another seed or prompt, or float32 as the model's dtype."
            )
        image = Image.fromarray((pixels * 255).round().astype(np.uint8))
        metadata = {**self._provenance, "request": request.recipe_document()}
        png = encode_png(image, self._parameters(request), metadata)
        return GeneratedImage(
            image=store.put(png, "image/png"), seed=request.seed, width=image.width, height=image.height
        )

    def _parameters(self, request: GenerateImage) -> str:
        """Return the `parameters` text, with the setting names that picture tools use."""
        settings: dict[str, object] = {
            "Steps": request.steps,
            "Sampler": display_name(self._own_scheduler, request.scheduler),
            "CFG scale": request.guidance,
            "Seed": request.seed,
            "Size": f"{request.width}x{request.height}",
            "Model hash": self._provenance["weights"][:10],
            "Model": request.model,
        }
        if request.init_image:
            settings["Denoising strength"] = request.strength
        return format_parameters(request.prompt, request.negative_prompt, settings)

    def _pipeline(self, request: GenerateImage) -> Any:
        if request.init_image is None:
            return self._text_to_image
        if self._image_to_image is None:
            raise InvalidRequest(f"The model {request.model} cannot start from a picture: leave the start picture out.")
        return self._image_to_image


def _compatible_batches(
    requests: Sequence[GenerateImage], prepared: Mapping[int, _Prepared], size: int
) -> Iterator[list[int]]:
    """Batch the indices of requests that can be sampled together, at most `size` per batch."""
    groups: defaultdict[object, list[int]] = defaultdict(list)
    for number, ready in prepared.items():
        request = requests[number]
        settings = request.model_dump(exclude={"prompt", "negative_prompt", "seed", "init_image", "mask"})
        alone = number if ready.mask else None
        kind = (bool(request.negative_prompt), request.init_image is None, ready.windows, alone)
        groups[(*settings.items(), *kind)].append(number)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]
