"""What is on this machine of the models of the catalogue, and what is missing to use them."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from typing import Literal

from pydantic import BaseModel

from modalities.contract import ModelSpec, Source
from modalities.errors import LicenceNotAcknowledged, ModelFault, ModelUnavailable
from modalities.models.catalogue import Catalogue
from modalities.models.hub.client import repository
from modalities.models.hub.files import HubFile, total_size
from modalities.models.hub.snapshots import HubSnapshots

State = Literal["ready", "not pulled", "not pinned", "not installed", "licence"]


class ModelState(BaseModel):
    """A model of the catalogue. `purposes` are those of the profile; `size_mb` is that of a download from the hub."""

    name: str
    purposes: list[str]
    operator: str
    origin: str
    licence: str
    size_mb: int | None
    state: State
    detail: str

    def __str__(self) -> str:
        size = f"{self.size_mb / 1000:.2f} GB" if self.size_mb else ""
        return f"{self.name:28} {self.state:11} {size:>9}  {self.licence:28} {', '.join(self.purposes)}"


def model_state(catalogue: Catalogue, snapshots: HubSnapshots, name: str) -> ModelState:
    """Describe a model, without asking a hub or a bucket. Raises UnknownModel."""
    state, detail = "ready", ""
    try:
        spec = catalogue.spec(name)
        state, detail = _hub_state(snapshots, spec) if spec.source.hub else _local_state(spec.source)
    except LicenceNotAcknowledged as error:
        spec, state, detail = catalogue.models[name], "licence", str(error)
    return ModelState(
        name=name,
        purposes=catalogue.profile.models().get(name, []),
        operator=spec.operator,
        origin=_origin(spec.source),
        licence=spec.licence,
        size_mb=_size_mb(snapshots, spec),
        state=state,
        detail=detail,
    )


def missing_models(catalogue: Catalogue, snapshots: HubSnapshots) -> list[ModelState]:
    """Describe the models of the profile that cannot be used yet."""
    states = [model_state(catalogue, snapshots, name) for name in catalogue.profile.models()]
    return [state for state in states if state.state != "ready"]


def missing_sentence(profile: str, missing: Iterable[ModelState]) -> str:
    """Say in one sentence which models of a profile are missing, how large they are, and which command fetches them."""
    by_state: dict[State, list[ModelState]] = {}
    for state in missing:
        by_state.setdefault(state.state, []).append(state)
    parts: list[str] = []
    if unpinned := by_state.get("not pinned"):
        parts.append(f"{_named(unpinned)} have no commit yet (`triptych models pin` asks the hub for it)")
    if absent := by_state.get("not pulled"):
        size = sum(state.size_mb or 0 for state in absent) / 1000
        known = "" if all(state.size_mb for state in absent) else "more than "
        command = f"`triptych models pull` or `triptych up --pull` fetches {known}{size:.1f} GB"
        parts.append(f"{_named(absent)} are not on this machine ({command})")
    if lacking := by_state.get("not installed"):
        parts.append(f"{_named(lacking)} are in packages that are not installed")
    if refused := by_state.get("licence"):
        parts.append(f"{_named(refused)} need `acknowledged: true` in models.yaml for their licence")
    return f"The profile {profile} is not complete: {'; '.join(parts)}."


def remove_model(catalogue: Catalogue, snapshots: HubSnapshots, spec: ModelSpec) -> int:
    """Delete the files of a model from the hub, and what was derived from them; return the bytes freed.

    What other entries of the same commit use stays.
    """
    kept: list[HubFile] = []
    for other in catalogue.models.values():
        same = other.source.hub and repository(other.source) == repository(spec.source)
        if other.name != spec.name and same and other.source.revision == spec.source.revision:
            kept += snapshots.known_files(other.name, other.source) or []
    return snapshots.remove(spec, keep=kept)


def _hub_state(snapshots: HubSnapshots, spec: ModelSpec) -> tuple[State, str]:
    if not spec.source.is_pinned:
        return "not pinned", f"run `triptych models pin {spec.name}`"
    try:
        if snapshots.is_complete(spec.name, spec.source):
            return "ready", ""
    except ModelUnavailable as error:
        return "not pulled", str(error)
    return "not pulled", f"run `triptych models pull {spec.name}`"


def _local_state(source: Source) -> tuple[State, str]:
    for package in source.packages:
        try:
            distribution(package)
        except PackageNotFoundError:
            return "not installed", f"install the package {package}"
    return "ready", ""


def _size_mb(snapshots: HubSnapshots, spec: ModelSpec) -> int | None:
    if not spec.source.hub:
        return None
    try:
        known = snapshots.known_files(spec.name, spec.source)
    except ModelFault:
        known = None
    return max(1, round(total_size(known) / 1e6)) if known else spec.source.size_mb


def _origin(source: Source) -> str:
    if source.hub:
        return f"hub {repository(source)}{f' at {source.revision}' if source.revision else ''}"
    if source.packages:
        return f"package {', '.join(source.packages)}"
    return f"folder {source.folder}" if source.folder else f"bucket {source.bucket or source.alias}"


def _named(states: list[ModelState]) -> str:
    return ", ".join(state.name for state in states)
