"""Transcripts of recordings: each piece is a request of its own, so that others' work goes between the pieces.

The first pieces of all recordings are asked at once. The others of a long recording are asked side by side, and run on
every free slot; whatever was answered before is not computed again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from flows.running.context import RunContext
from media.errors import ItemError
from media.recordings.pieces import count_windows
from modalities.contract import no_progress
from modalities.speech.pieces import assemble, piece_request, with_language
from modalities.speech.requests import PieceTranscript, Transcribe, Transcript


async def transcript(context: RunContext, request: Transcribe) -> Transcript:
    """Return the transcript of one recording. Raises ItemError."""
    answer = (await transcripts(context, [request]))[0]
    if isinstance(answer, ItemError):
        raise answer
    return answer


async def transcripts(context: RunContext, requests: Sequence[Transcribe]) -> list[Transcript | ItemError]:
    """Return one transcript per request, in order; the error of a recording that cannot be heard is in its place."""
    answers = context.space.answers
    unusable = await asyncio.to_thread(answers.unusable, requests)
    heard: dict[Transcribe, Transcript | ItemError] = {one: unusable[one] for one in requests if one in unusable}
    usable = [request for request in requests if request not in heard]
    found = dict(zip(usable, await asyncio.to_thread(answers.find_all, usable), strict=True))
    missing = [request for request, answer in found.items() if answer is None]
    begun = [piece_request(request, 0) for request in missing]
    firsts = await context.answers(begun, no_progress)
    heard |= {request: answer for request, answer in found.items() if isinstance(answer, Transcript)}
    for number, (request, first) in enumerate(zip(missing, firsts, strict=True)):
        if isinstance(first, ItemError):
            heard[request] = first
            continue
        assert isinstance(first, PieceTranscript)
        share = _Share(context, number, len(missing))
        try:
            pieces = await _all_pieces(context, request, first, share)
        except ItemError as error:
            heard[request] = error
            continue
        whole = await asyncio.to_thread(assemble, request, pieces, context.space.store)
        heard[request] = await asyncio.to_thread(answers.keep, request, whole)
    return [heard[request] for request in requests]


class _Share:
    """The progress of one recording among several."""

    def __init__(self, context: RunContext, number: int, count: int) -> None:
        self._context = context
        self._number = number
        self._count = count

    def show(self, fraction: float) -> None:
        self._context.progress(min((self._number + fraction) / self._count, 1.0))


async def _all_pieces(
    context: RunContext, request: Transcribe, first: PieceTranscript, share: _Share
) -> list[PieceTranscript]:
    """Return all pieces of a recording, in order. Raises ItemError."""
    pieces = [first]
    total = count_windows(first.expected_seconds)
    share.show(1.0 if first.is_last else 1 / total)

    async def ask(number: int) -> PieceTranscript:
        return await context.answer(piece_request(spoken, number), no_progress)

    spoken = await asyncio.to_thread(with_language, request, pieces, context.space.store)
    while not pieces[-1].is_last and not spoken.language:
        pieces.append(await ask(len(pieces)))
        spoken = await asyncio.to_thread(with_language, request, pieces, context.space.store)
        share.show(len(pieces) / max(total, len(pieces) + 1))
    if not pieces[-1].is_last:
        pieces += await _side_by_side(context, ask, range(len(pieces), total), share, total)
    last = next((number for number, piece in enumerate(pieces) if piece.is_last), None)
    if last is not None:
        return pieces[: last + 1]
    while not pieces[-1].is_last:  # it is longer than its header says
        pieces.append(await ask(len(pieces)))
    return pieces


async def _side_by_side(
    context: RunContext, ask: Callable[[int], Awaitable[PieceTranscript]], numbers: range, share: _Share, total: int
) -> list[PieceTranscript]:
    """Ask for pieces, some at once; return them in order. Raises the ItemError of one that fails."""
    slots = asyncio.Semaphore(context.parallel)
    done = 0

    async def one(number: int) -> PieceTranscript:
        nonlocal done
        async with slots:
            piece = await ask(number)
        done += 1
        share.show((numbers.start + done) / total)
        return piece

    tasks = [asyncio.create_task(one(number)) for number in numbers]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
