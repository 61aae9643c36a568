"""The types that every modality shares: requests, results, catalogue entries, weights and operators."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, model_validator

from media.errors import ItemError
from storage.artifacts import Artifact, ArtifactStore

_COMMIT = re.compile(r"[0-9a-f]{40}")
Progress = Callable[[float], None]
"""A callback that receives the finished fraction (0 to 1) of an operator call; an exception from it aborts the call."""


class Result(BaseModel):
    """The JSON-serialisable answer to a request. Binary content is stored as artifacts, which the result references."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def artifacts(self) -> tuple[Artifact, ...]:
        """The artifacts that the result references, in field order."""
        return tuple(_artifacts_in(self))


ResultT = TypeVar("ResultT", bound=Result)
ResultT_co = TypeVar("ResultT_co", bound=Result, covariant=True)


class Request(BaseModel, Generic[ResultT]):
    """The input of a model call, complete: equal requests to equal weights have equal results.

    The type parameter is the class of the result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    added_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that were added after answers had been stored: a recipe leaves them out while they have their default."""

    hints: ClassVar[frozenset[str]] = frozenset()
    """Fields that never change the result, such as how much is shown meanwhile: no recipe has them."""

    model: str = Field(description="The name of a model in configs/models.yaml.")

    def recipe_document(self) -> dict[str, Any]:
        """Return the request as in recipes: JSON-able, without hints and added fields that have their default."""
        fields = type(self).model_fields
        unused = {name for name in self.added_fields if getattr(self, name) == fields[name].default}
        return self.model_dump(mode="json", exclude=unused | self.hints)

    def artifacts(self) -> tuple[Artifact, ...]:
        """The artifacts that the request references, in field order."""
        return tuple(_artifacts_in(self))

    @classmethod
    def result_type(cls) -> type[ResultT]:
        """The class of the result: the type parameter of the request class. Raises TypeError if there is none."""
        for base in cls.__mro__:
            arguments = getattr(base, "__pydantic_generic_metadata__", {}).get("args")
            if arguments:
                return arguments[0]
        raise TypeError(f"{cls.__name__} does not name its result: derive it from Request[YourResult].")


class Source(BaseModel):
    """The origin of weights: exactly one of a folder, a bucket prefix, installed packages and a hub id.

    If `alias` is set and a version is published under it (`triptych publish`), that version takes precedence. With an
    alias and no origin, the model is unavailable until a version is published.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str | None = Field(default=None, description="A folder; a relative path starts at the checkout.")
    bucket: str | None = Field(default=None, description="A prefix in the bucket, such as models/icons/3.")
    packages: tuple[str, ...] = Field(default=(), description="Installed Python packages that contain the files.")
    hub: str | None = Field(default=None, description="A Hugging Face hub id.")
    revision: str | None = Field(
        default=None,
        description="The hub commit. Without one the model is not loaded: `triptych models pin` writes it.",
    )
    sha256: dict[str, str] = Field(default_factory=dict, description="The sha256 of each file of the hub, by path.")
    size_mb: int | None = Field(default=None, ge=1, description="The size of the download, shown before it begins.")
    alias: str | None = Field(default=None, description="The alias of the published version to use.")
    beside: str | None = Field(default=None, description="With packages: a folder of the checkout with more files.")
    files: tuple[str, ...] = Field(default=(), description="Glob patterns of the files to use; all files if empty.")

    @model_validator(mode="after")
    def _names_one_origin(self) -> Self:
        named = [origin for origin in (self.folder, self.bucket, self.packages, self.hub) if origin]
        if len(named) != 1 and not (self.alias and not named):
            raise ValueError("a source names exactly one of folder, bucket, packages and hub")
        if (self.revision or self.sha256) and not self.hub:
            raise ValueError("`revision` and `sha256` go with a hub id alone")
        if self.beside and not self.packages:
            raise ValueError("`beside` goes with packages alone")
        return self

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit. A branch or tag may name other weights tomorrow."""
        return _COMMIT.fullmatch(self.revision or "") is not None


class Calibration(BaseModel):
    """What the cosines of a model mean: the logit of relevance is slope · (cosine - middle)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float = Field(gt=0, description="How fast a larger cosine makes relevance more probable.")
    middle: float = Field(description="The cosine at which relevance is as probable as not.")


class ModelSpec(BaseModel):
    """One entry of configs/models.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    operator: str = Field(description="The name of an operator, such as open-clip, or module:Class of your own.")
    source: Source
    digest: str | None = Field(default=None, description="sha256 of the weights, verified before first use.")
    licence: str = Field(description="SPDX identifier.")
    acknowledged: bool = Field(default=False, description="Required where the licence forbids commercial use.")
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8"] = "auto"
    memory_mb: int | None = Field(default=None, ge=1, description="Estimated memory; used until it is measured.")
    calibration: Calibration | None = Field(
        default=None, description="For search; without it, measured on a sample of what is stored."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Settings of the operator; part of every recipe.")


@dataclass(frozen=True)
class Weights:
    """A model's files on this machine.

    `folders` has one folder per package and the one beside them, otherwise exactly one.
    `cache` is the folder for files that are derived from
    the weights, such as converted checkpoints.
    """

    folders: tuple[Path, ...]
    digest: str
    cache: Path

    @property
    def folder(self) -> Path:
        return self.folders[0]


class Operator(Protocol[ResultT_co]):
    """A loaded model that answers requests in batches."""

    version: ClassVar[str]
    """Part of every recipe; must change whenever the same request with the same weights would get another result."""
    batch_size: int
    """The number of requests that one call should get."""

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Load the weights. Model libraries are imported here and not at module level."""
        ...

    def __call__(
        self, requests: Sequence[Any], store: ArtifactStore, progress: Progress
    ) -> Sequence[ResultT_co | ItemError]:
        """Return one result per request, in order; an ItemError replaces the result of a request that failed."""
        ...


class Memoize(Protocol):
    """A callback that returns the stored result of a partial request, or computes and stores it."""

    def __call__(self, part: Request[ResultT], compute: Callable[[], ResultT], /) -> ResultT: ...


@runtime_checkable
class PiecewiseOperator(Protocol):
    """An operator that splits a long request into pieces, each of which is stored when it is done.

    After a crash, the request continues at the first piece that is not stored.
    """

    def answer(self, request: Any, store: ArtifactStore, progress: Progress, memoize: Memoize) -> Result | ItemError:
        """Return the result of one request, or its error; each piece is computed through `memoize`."""
        ...


@runtime_checkable
class KeepsAnswers(Protocol):
    """An operator of a new version that says which stored answers of earlier versions it would still give."""

    earlier_versions: ClassVar[tuple[str, ...]]

    @staticmethod
    def is_still_valid(answer: Any) -> bool:
        """Whether this version would give the same answer as the earlier one did."""
        ...


def no_progress(_fraction: float) -> None:
    """Ignore progress."""


def progress_of_part(progress: Progress, done: float, size: float, total: float) -> Progress:
    """Return a callback that reports a part's fraction as a fraction of the whole.

    The part covers `size` of `total` units and begins after `done` units.
    """
    return lambda fraction: progress((done + fraction * size) / total)


def _artifacts_in(value: object) -> Iterable[Artifact]:
    if isinstance(value, Artifact):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _artifacts_in(getattr(value, name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _artifacts_in(item)
