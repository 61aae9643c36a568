"""The operator for PP-OCR models in ONNX (github.com/RapidAI/RapidOCR): text in Chinese, Latin and other scripts."""

from collections.abc import Sequence
from copy import copy
from io import BytesIO
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from media.errors import ItemError, UnreadableMedia
from media.images.errors import picture_errors
from media.pictures import upright_rgb
from modalities.contract import ModelSpec, Progress, Weights
from modalities.errors import ModelUnavailable
from modalities.ocr.requests import Line, ReadText, WrittenText
from storage.artifacts import Artifact, ArtifactStore

_DENSE_LINES = 8
"""From so many lines on, a picture is a page or a screenshot, which is looked at again with more pixels."""
_SIDE, _DENSE_SIDE = 736, 1536
"""Pixels of the longer side in which text is looked for, at first and in a dense picture."""
_MAX_SIDE = 4096
_MAX_LINES = 2000


class RapidOcrOptions(BaseModel):
    """The `options` of an OCR model in the catalogue: the names of its files, and from which score on a line counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detection: str = "PP-OCRv6_det_small.onnx"
    recognition: str = "PP-OCRv6_rec_small.onnx"
    least_score: float = Field(default=0.6, ge=0, le=1)


class RapidOcr:
    """A detector of lines and a recogniser of their letters, of which two engines share the weights.

    They differ in the number of pixels in which lines are looked for.
    """

    version: ClassVar[str] = "1"
    batch_size = 4

    def __init__(self, sparse: Any, dense: Any) -> None:
        self._sparse = sparse
        self._dense = dense

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Load the ONNX files. Nothing is downloaded. Raises ModelUnavailable."""
        from rapidocr import RapidOCR

        options = RapidOcrOptions.model_validate(spec.options)
        files = {path.name: path for path in weights.folder.rglob("*.onnx")}
        missing = [name for name in (options.detection, options.recognition) if name not in files]
        if missing:
            raise ModelUnavailable(f"The weights of {spec.name} lack {', '.join(missing)}.")
        settings: dict[str, Any] = {
            "Global.log_level": "error",
            "Global.use_cls": False,
            "Global.text_score": options.least_score,
            "Global.max_side_len": _MAX_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.model_path": str(files[options.detection]),
            "Rec.model_path": str(files[options.recognition]),
            "Det.limit_type": "max",
        }
        sparse: Any = RapidOCR(params=settings | {"Det.limit_side_len": _SIDE})
        sparse._load_det_model()  # otherwise they are loaded at the first call
        sparse._load_rec_model()
        dense = copy(sparse)  # with the same weights
        dense.text_det = copy(sparse.text_det)
        dense.text_det.limit_side_len = _DENSE_SIDE
        return cls(sparse, dense)

    def __call__(
        self, requests: Sequence[ReadText], store: ArtifactStore, progress: Progress
    ) -> Sequence[WrittenText | ItemError]:
        """Return the lines of each picture; UnreadableMedia in the place of one that cannot be decoded."""
        answers: list[WrittenText | ItemError] = []
        for number, request in enumerate(requests, start=1):
            try:
                answers.append(self._read(_pixels(store, request.image)))
            except UnreadableMedia as error:
                answers.append(error)
            progress(number / len(requests))
        return answers

    def _read(self, pixels: NDArray[np.uint8]) -> WrittenText:
        found = self._sparse(pixels)
        if found.boxes is not None and len(found.boxes) >= _DENSE_LINES and max(pixels.shape[:2]) > _SIDE:
            found = self._dense(pixels)
        if found.boxes is None or found.txts is None:
            return WrittenText(lines=())
        height, width = pixels.shape[:2]
        lines = [
            Line(text=text.strip(), box=_box(corners, width, height), score=round(float(score), 3))
            for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
            if text.strip()
        ]
        return WrittenText(lines=tuple(lines[:_MAX_LINES]))


def _box(corners: Any, width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, width and height of the rectangle around four corners, in percent of the picture."""
    points = np.asarray(corners, dtype=float) * (100 / width, 100 / height)
    left, top = np.clip(points.min(axis=0), 0, 100)
    right, bottom = np.clip(points.max(axis=0), 0, 100)
    return round(left, 1), round(top, 1), round(right - left, 1), round(bottom - top, 1)


def _pixels(store: ArtifactStore, picture: Artifact) -> NDArray[np.uint8]:
    """Decode a picture to upright pixels in the order blue, green, red, uint8 (height, width, 3)."""
    from PIL import Image

    try:
        with Image.open(BytesIO(store.get(picture))) as image:
            upright = upright_rgb(image)
    except picture_errors() as error:
        raise UnreadableMedia("The picture cannot be decoded: its data is broken, cut off or far too large.") from error
    upright.thumbnail((_MAX_SIDE, _MAX_SIDE))
    return np.ascontiguousarray(np.asarray(upright)[:, :, ::-1])
