"""Read configs/models.yaml: the entries of all models, and the profile that names the default model per purpose."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modalities.contract import ModelSpec
from modalities.errors import InvalidCatalogue, LicenceNotAcknowledged, UnknownModel

FAMILY = ".*"
"""How the name of an entry ends that stands for many models, each with published versions of its own."""


class Profile(BaseModel):
    """The default model for each purpose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pictures: str = Field(description="Embeds pictures, and the queries that search them.")
    passages: str = Field(description="Embeds texts and transcripts, and the queries that search them.")
    speech: str = Field(description="Transcribes speech.")
    translation: tuple[str, ...] = Field(
        description="Translate; the first one that supports the language pair is used."
    )
    generation: str = Field(description="Generates pictures from prompts.")
    text_in_pictures: str | None = Field(default=None, description="Reads the text in pictures; none: it is not read.")
    speaking: str | None = Field(default=None, description="Reads texts aloud.")
    speakers: str | None = Field(default=None, description="Tells speakers apart, when asked.")
    writing: str | None = Field(default=None, description="Writes answers; none: they are sentences of the sources.")

    def models(self) -> dict[str, list[str]]:
        """Return the names of the models, each with its purposes, in the order of the fields."""
        found: dict[str, list[str]] = {}
        for purpose in type(self).model_fields:
            value = getattr(self, purpose)
            for model in value if isinstance(value, tuple) else (value,):
                if model:
                    found.setdefault(model, []).append(purpose)
        return found


class Catalogue(BaseModel):
    """All configured models by name, and the selected profile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: dict[str, ModelSpec]
    profile: Profile

    def spec(self, name: str) -> ModelSpec:
        """Return the entry of a model. Raises UnknownModel, LicenceNotAcknowledged."""
        found = self.find(name)
        if found is None:
            raise UnknownModel(f"No model is called {name}: the catalogue has {', '.join(sorted(self.models))}.")
        if forbids_commercial_use(found.licence) and not found.acknowledged:
            raise LicenceNotAcknowledged(
                f"The licence of {name} ({found.licence}) forbids commercial use: "
                "set `acknowledged: true` in its entry of models.yaml if that is fine for you."
            )
        return found

    def offered(self) -> dict[str, ModelSpec]:
        """The entries that people may choose: their licence is fine, and those of a hub are pinned."""
        return {
            name: spec
            for name, spec in self.models.items()
            if not name.endswith(FAMILY)
            and (spec.acknowledged or not forbids_commercial_use(spec.licence))
            and (spec.source.is_pinned or not spec.source.hub)
        }

    def names(self) -> list[str]:
        """The names of the models, without the entries that stand for many."""
        return [name for name in self.models if not name.endswith(FAMILY)]

    def find(self, name: str) -> ModelSpec | None:
        """The entry of a model, or None. An entry `classifier.*` is that of all models of this beginning."""
        if name in self.models:
            return self.models[name]
        family = self.models.get(f"{name.split('.')[0]}{FAMILY}") if "." in name else None
        return family.model_copy(update={"name": name}) if family and not name.endswith(FAMILY) else None


def load_catalogue(path: Path, profile: str) -> Catalogue:
    """Read models.yaml. Raises InvalidCatalogue, which names the field, and UnknownModel if the profile is missing."""
    try:
        document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        models = {name: ModelSpec(name=name, **entry) for name, entry in document["models"].items()}
        profiles = {name: Profile(**entry) for name, entry in document["profiles"].items()}
    except OSError as error:
        raise InvalidCatalogue(f"The model catalogue {path} cannot be read: {error.strerror}.") from error
    except (ValidationError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InvalidCatalogue(f"The model catalogue {path} is not right: {_first_fault(error)}.") from error
    if profile not in profiles:
        raise UnknownModel(f"No profile is called {profile}: {path.name} has {', '.join(sorted(profiles))}.")
    return Catalogue(models=models, profile=profiles[profile])


def forbids_commercial_use(licence: str) -> bool:
    """Whether an SPDX identifier or a hub's licence tag denotes non-commercial terms."""
    return "-nc" in licence.lower() or "noncommercial" in licence.lower()


def _first_fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return f"{error.title} {field}: {first['msg']}"
    return f"{type(error).__name__} {error}"
