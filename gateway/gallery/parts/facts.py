"""Facts about an artifact for its page: properties of the file, and how it was generated."""

from typing import Any

from flows.library.indexing import recognized_concepts
from flows.library.inputs import InputArtifact
from flows.library.markdown import format_time
from flows.running.platform import Space
from gateway.gallery.page import PageRenderer
from storage.records import ArtifactRecord

_PARAMETER_TITLES = {
    "prompt": "Prompt",
    "negative_prompt": "Avoid",
    "seed": "Seed",
    "steps": "Steps",
    "guidance": "Guidance",
    "scheduler": "Scheduler",
    "strength": "Strength",
    "language": "Language",
    "task": "Task",
}
"""The parameters of requests that the page shows, in this order."""
_PROBABLE, _MOST_CONCEPTS = 0.35, 4
"""How probable a concept is that the page shows, and how many it shows."""
_UNTELLING = frozenset(
    {"instrumentality", "placental", "consumer goods", "causal agent", "carnivore", "ungulate", "covering"}
)
"""Hypernyms of WordNet that are no everyday words."""


def file_facts(renderer: PageRenderer, found: InputArtifact) -> list[str]:
    """List the type, file size, dimensions or length, and date of an artifact."""
    artifact, record = found.artifact, found.record
    facts = [artifact.media_type.partition("/")[2].upper(), _size(artifact.size)]
    if record is None:
        return facts
    properties = record.properties
    if "width" in properties:
        facts.append(f"{properties['width']} × {properties['height']}")
    if "duration_seconds" in properties:
        facts.append(format_time(float(properties["duration_seconds"])))
    if "characters" in properties:
        facts.append(renderer.translate("{count} characters", count=properties["characters"]))
    return [*facts, f"{record.created:%Y-%m-%d}"]


def recipe_rows(renderer: PageRenderer, space: Space, record: ArtifactRecord | None) -> list[tuple[str, str]]:
    """List title and value of the model, weights, parameters and duration; empty if it was not generated."""
    answer = space.recipes.find(record.producer) if record and record.producer else None
    if answer is None:
        return []
    request = answer.recipe.request
    rows: list[tuple[str, Any]] = [
        (renderer.translate("Model"), request.get("model", answer.recipe.operator.rpartition(":")[2])),
        (renderer.translate("Weights"), answer.recipe.weights[:16]),
    ]
    rows += [
        (renderer.translate(title), request[name])
        for name, title in _PARAMETER_TITLES.items()
        if request.get(name) not in (None, "", [])
        if not (name == "strength" and not request.get("init_image"))
    ]
    if "width" in request:
        rows.append((renderer.translate("Size"), f"{request['width']} × {request['height']}"))
    if answer.seconds is not None:
        rows.append((renderer.translate("Made in"), renderer.translate("{seconds} s", seconds=f"{answer.seconds:.1f}")))
    return [(title, str(value)) for title, value in rows]


def recognized(space: Space, found: InputArtifact) -> list[tuple[str, str]]:
    """What a picture shows: words and their probabilities in percent, the more special concepts first."""
    concepts = recognized_concepts(space, found.artifact)
    probable = sorted((probability, _word(name)) for name, probability in concepts.items() if probability >= _PROBABLE)
    telling = [(word, f"{probability:.0%}") for probability, word in probable if word not in _UNTELLING]
    return telling[:_MOST_CONCEPTS]


def _word(concept: str) -> str:
    """The word of a synset: dog for dog.n.01."""
    return concept.split(".")[0].replace("_", " ")


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(size // 1000, 1)} kB"
