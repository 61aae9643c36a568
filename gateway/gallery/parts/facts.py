"""Facts: what a page says of an artifact, and of the recipe that made it."""

from typing import Any

from flows.library.inputs import InputArtifact
from flows.running.markdown import format_time
from flows.running.platform import Space
from gateway.gallery.page import Reader
from storage.records import ArtifactRecord

_SAID = {
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
"""The parameters of requests that people understand, in order."""


def facts_of(reader: Reader, found: InputArtifact) -> list[str]:
    """Short facts: the type, the size, what the file says of itself, the day."""
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
        facts.append(reader.say("{count} characters", count=properties["characters"]))
    return [*facts, f"{record.created:%Y-%m-%d}"]


def recipe_of(reader: Reader, space: Space, record: ArtifactRecord | None) -> list[tuple[str, str]]:
    """What made it: the model, its weights, the parameters, how long it took; nothing for what came from outside."""
    made = space.recipes.find(record.producer) if record and record.producer else None
    if made is None:
        return []
    request = made.recipe.request
    rows: list[tuple[str, Any]] = [
        (reader.say("Model"), request.get("model", made.recipe.operator.rpartition(":")[2])),
        (reader.say("Weights"), made.recipe.weights[:16]),
    ]
    rows += [
        (reader.say(word), request[name])
        for name, word in _SAID.items()
        if request.get(name) not in (None, "", [])
        if not (name == "strength" and not request.get("init_image"))
    ]
    if "width" in request:
        rows.append((reader.say("Size"), f"{request['width']} × {request['height']}"))
    if made.seconds is not None:
        rows.append((reader.say("Made in"), reader.say("{seconds} s", seconds=f"{made.seconds:.1f}")))
    return [(word, str(value)) for word, value in rows]


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(size // 1000, 1)} kB"
