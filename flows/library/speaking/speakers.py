"""Who says what: the speakers of a recording, told apart by their voices, and the segments of its transcript."""

import asyncio
from collections.abc import Sequence

from flows.running.context import RunContext
from flows.running.platform import Space
from modalities.errors import ModelFault, UnknownModel
from modalities.speakers.requests import Speakers, TellSpeakers, read_turns
from modalities.speech.segments import Segment
from modalities.speech.speakers import by_speaker
from storage.artifacts import Artifact


async def tell_speakers(
    context: RunContext, audio: Artifact, track: str, segments: Sequence[Segment]
) -> tuple[Segment, ...]:
    """Return the segments with their speakers. Raises UnknownModel, ItemError."""
    model = context.space.profile.speakers
    if model is None:
        raise UnknownModel("The profile names no model that tells speakers apart: add `speakers` to it in models.yaml.")
    found = await context.answer(TellSpeakers(model=model, audio=audio, track=track))
    return await asyncio.to_thread(_applied, context.space, found, segments)


def find_speakers(space: Space, audio: Artifact, segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return the segments with their speakers if those were told before; otherwise as they are. Runs no model."""
    model = space.profile.speakers
    try:
        found = space.answers.find(TellSpeakers(model=model, audio=audio)) if model else None
    except ModelFault:  # weights that are missing here have no recipe
        found = None
    return _applied(space, found, segments) if found else tuple(segments)


def _applied(space: Space, found: Speakers, segments: Sequence[Segment]) -> tuple[Segment, ...]:
    turns = read_turns(space.store, found)
    return by_speaker(segments, [(turn.start_seconds, turn.end_seconds, turn.speaker) for turn in turns])
