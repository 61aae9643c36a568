"""The contract between requests, results and the models that turn one into the other."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, model_validator

from media.errors import ItemError
from storage.artifacts import Artifact, ArtifactStore

Progress = Callable[[float], None]
"""Told the finished fraction (0 to 1) of one call of an operator; what it raises ends the call."""


class Result(BaseModel):
    """A small JSON-able answer; bytes in it are artifacts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def artifacts(self) -> tuple[Artifact, ...]:
        """The artifacts in the result, in field order."""
        return tuple(_artifacts_in(self))


ResultT = TypeVar("ResultT", bound=Result)
ResultT_co = TypeVar("ResultT_co", bound=Result, covariant=True)


class Request(BaseModel, Generic[ResultT]):
    """A question to a model. Everything that changes the answer is in it; its type parameter names the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(description="The name of a model in configs/models.yaml.")

    def artifacts(self) -> tuple[Artifact, ...]:
        """The artifacts that the question is about, in field order."""
        return tuple(_artifacts_in(self))

    @classmethod
    def result_type(cls) -> type[ResultT]:
        """The type that the type parameter names."""
        for base in cls.__mro__:
            arguments = getattr(base, "__pydantic_generic_metadata__", {}).get("args")
            if arguments:
                return arguments[0]
        raise TypeError(f"{cls.__name__} does not name its result: derive it from Request[YourResult].")


class Source(BaseModel):
    """Where weights come from: exactly one of a folder, a bucket prefix, installed packages, or a hub id.

    With an alias, what `triptych publish` gave it goes first; an alias alone waits for that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str | None = Field(default=None, description="A folder; a relative one lies in the checkout.")
    bucket: str | None = Field(default=None, description="A prefix in the bucket, such as models/icons/3.")
    packages: tuple[str, ...] = Field(default=(), description="Installed Python packages that carry the files.")
    hub: str | None = Field(default=None, description="A Hugging Face hub id.")
    revision: str | None = Field(default=None, description="The hub commit; required for a hub id.")
    alias: str | None = Field(default=None, description="Which published version to use, once there is one.")
    files: tuple[str, ...] = Field(default=(), description="Glob patterns of the files that matter; all if empty.")

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        named = [place for place in (self.folder, self.bucket, self.packages, self.hub) if place]
        if len(named) != 1 and not (self.alias and not named):
            raise ValueError("a source names exactly one of folder, bucket, packages and hub")
        if self.hub and not self.revision:
            raise ValueError(f"the hub id {self.hub} needs a revision: pin the commit")
        return self


class ModelSpec(BaseModel):
    """One entry of configs/models.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    operator: str = Field(description="The name of an operator, such as open-clip; or module:Class of your own.")
    source: Source
    digest: str | None = Field(default=None, description="sha256 of the weights, checked before first use.")
    licence: str = Field(description="SPDX identifier.")
    acknowledged: bool = Field(default=False, description="Needed for licences that forbid commercial use.")
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8"] = "auto"
    memory_mb: int | None = Field(default=None, ge=1, description="What it needs, until it was measured.")
    options: dict[str, Any] = Field(default_factory=dict, description="The operator's own settings.")


@dataclass(frozen=True)
class Weights:
    """A model's files on this machine: one folder per package, otherwise one; `cache` is for what is derived."""

    folders: tuple[Path, ...]
    digest: str
    cache: Path

    @property
    def folder(self) -> Path:
        return self.folders[0]


class Operator(Protocol[ResultT_co]):
    """A loaded model that answers one kind of request, many at a time."""

    version: ClassVar[str]
    """Changes whenever the same request with the same weights would get another answer."""
    batch_size: int
    """How many requests one call should get."""

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Load the weights: the only place that imports a model library."""
        ...

    def __call__(
        self, requests: Sequence[Any], store: ArtifactStore, progress: Progress
    ) -> Sequence[ResultT_co | ItemError]:
        """One result per request, in order; an error in its place where one request cannot be answered."""
        ...


class Once(Protocol):
    """Answers a part of a request: read where somebody has it already, otherwise worked out now, and kept."""

    def __call__(self, part: Request[ResultT], work: Callable[[], ResultT], /) -> ResultT: ...


@runtime_checkable
class InPieces(Protocol):
    """An operator that answers a long request piece by piece, so that what is done outlives a crash."""

    def answer(self, request: Any, store: ArtifactStore, progress: Progress, once: Once) -> Result | ItemError:
        """One result, whose pieces went through `once`; or the error of a request that cannot be answered."""
        ...


def no_progress(_fraction: float) -> None:
    """For callers that do not watch."""


def _artifacts_in(value: object) -> Iterable[Artifact]:
    if isinstance(value, Artifact):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _artifacts_in(getattr(value, name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _artifacts_in(item)
