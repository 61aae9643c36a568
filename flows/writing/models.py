"""Which models may write in a project: causal language models of the catalogue, and those that the project trained."""

from flows.library.classification.classifiers import project_model
from flows.running.platform import Space
from modalities.errors import UnknownModel
from modalities.models.operators import recipe_name
from modalities.models.published import PublishedModels

FAMILY = "writer"
"""The beginning of the names of models that projects trained: writer.PROJECT.NAME."""


def resolve_writer(space: Space, name: str) -> str:
    """The model that a name means; the profile's if it is empty. Those of other projects are unknown.

    Raises UnknownModel where there is none, or it does not write.
    """
    wanted = name or space.profile.writing or ""
    if not wanted:
        raise UnknownModel("The profile names no model that writes: name one, or add `writing` to it in models.yaml.")
    if writes(space, wanted):
        return wanted
    if wanted not in space.catalogue.models:
        own = project_model(FAMILY, space.project, wanted.removeprefix(f"{FAMILY}.{space.project}."))
        if space.catalogue.find(own) and PublishedModels(space.platform.bucket).version_of(own, "live"):
            return own
    raise UnknownModel(f"No model called {wanted[:80]!r} writes texts in the project {space.project}.")


def writes(space: Space, name: str) -> bool:
    """Whether this is a causal language model with an entry of its own in the catalogue."""
    return name in space.catalogue.names() and recipe_name(space.catalogue.spec(name)).endswith(":CausalLm")
