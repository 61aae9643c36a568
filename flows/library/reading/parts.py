"""The parts of an artifact that search can find: pictures, frames, spoken segments, passages of text."""

from dataclasses import dataclass

from flows.library.reading.contents import Contents, StoredPicture
from flows.library.reading.text_in_pictures import Texts
from flows.running.platform import Space
from media.identify import read_text
from modalities.embedding.passages import split_passages
from modalities.ocr.requests import Line, WrittenText
from modalities.speech.requests import Transcript, read_segments
from storage.artifacts import Artifact
from storage.index.parts import Entry, PartKind
from storage.records import ArtifactRecord


@dataclass(frozen=True)
class Part:
    """A part of an artifact that search can find: a picture, a frame, a spoken segment, a passage of text.

    `picture` is what is embedded of a part that is seen; `place` is where the part is, such as `page=3`.
    """

    record: ArtifactRecord
    kind: PartKind
    ordinal: int
    text: str = ""
    start_seconds: float | None = None
    end_seconds: float | None = None
    place: str = ""
    picture: Artifact | None = None


_MAX_WORDS = 2000
_MUCH, _PASSAGE = 200, 800
"""Characters from which the text in a picture is passages of its own, and characters of each of them."""
_TOLD = ("title", "description", "keywords")
"""Properties whose words a picture is found by."""


def contents_parts(space: Space, record: ArtifactRecord, contents: Contents | None, texts: Texts) -> list[Part]:
    """Return the parts of an artifact that are seen or read. `texts` are those that were read in its pictures."""
    if contents is None:
        return _whole(space, record, texts)
    whole = [contents.shown] if contents.shown and record.kind == "image" else []
    pictures = [*whole, *contents.frames]
    seen = [_seen(record, ordinal, picture, texts) for ordinal, picture in enumerate(pictures)]
    passages = [(each.place, piece) for each in contents.passages for piece in split_passages(each.text)]
    for picture in pictures:
        passages += _written(record, picture.place, texts.get(picture.artifact.sha256))
    return [*seen, *_passages(record, passages)]


def is_heard(record: ArtifactRecord) -> bool:
    """Whether a recording has sound; older records do not say: files without sound were refused."""
    return record.kind == "speech" and bool(record.properties.get("has_sound", True))


def segment_parts(space: Space, record: ArtifactRecord, transcript: Transcript) -> list[Part]:
    """Return the parts of a recording: its spoken segments."""
    return [
        Part(record, "speech", ordinal, segment.text, segment.start_seconds, segment.end_seconds)
        for ordinal, segment in enumerate(read_segments(space.store, transcript))
    ]


def entry_of(
    part: Part, labels: tuple[str, ...], vectors: dict[str, list[float]], concepts: dict[str, float] | None = None
) -> Entry:
    """Return the entry of the search index for a part, with its vectors by vector space."""
    return Entry(
        project=part.record.project,
        kind=part.kind,
        artifact=part.record.artifact.sha256,
        ordinal=part.ordinal,
        name=part.record.name,
        text=part.text,
        start_seconds=part.start_seconds,
        end_seconds=part.end_seconds,
        labels=labels,
        created=part.record.created,
        vectors=vectors,
        place=part.place,
        artifact_kind=part.record.kind if part.record.kind != "data" else part.kind,
        made=part.record.made,
        live_photo=part.record.live_photo,
        concepts=concepts or {},
    )


def _whole(space: Space, record: ArtifactRecord, texts: Texts) -> list[Part]:
    if record.kind == "image":
        written = texts.get(record.artifact.sha256)
        seen = Part(record, "image", 0, _words(_told(record), written))
        return [seen, *_passages(record, _written(record, "", written))]
    if record.kind != "text":
        return []
    text = read_text(space.store.get(record.artifact))
    return _passages(record, [("", piece) for piece in split_passages(text)])


def _seen(record: ArtifactRecord, ordinal: int, picture: StoredPicture, texts: Texts) -> Part:
    seconds = float(picture.place.removeprefix("t=")) if picture.place.startswith("t=") else None
    told = _told(record) if record.kind == "image" and not ordinal else ""
    return Part(
        record,
        "image",
        ordinal,
        _words(told, texts.get(picture.artifact.sha256)),
        start_seconds=seconds,
        end_seconds=seconds,
        place="" if seconds is not None else picture.place,
        picture=picture.artifact,
    )


def _words(told: str, written: WrittenText | None) -> str:
    """The words that a picture is found by: what a sidecar tells, and the beginning of what is written in it."""
    return f"{told}\n{written.text if written else ''}".strip()[:_MAX_WORDS]


def _told(record: ArtifactRecord) -> str:
    return "\n".join(str(record.properties[name]) for name in _TOLD if name in record.properties)


def _written(record: ArtifactRecord, place: str, written: WrittenText | None) -> list[tuple[str, str]]:
    """Return passages, with their places, of a picture that has much to read: a page, a slide, a screenshot."""
    if written is None or place.startswith("t=") or (record.kind == "image" and len(written.text) < _MUCH):
        return []
    passages: list[tuple[str, str]] = []
    lines: list[Line] = []
    for line in (*written.lines, None):
        if lines and (line is None or sum(len(each.text) for each in lines) + len(line.text) > _PASSAGE):
            passages.append((place or _around(lines), "\n".join(each.text for each in lines)))
            lines = []
        lines += [line] if line else []
    return passages


def _around(lines: list[Line]) -> str:
    """The place of lines in a picture, as a media fragment in percent: left, top, width, height."""
    left, top = (min(line.box[side] for line in lines) for side in (0, 1))
    right, bottom = (max(line.box[side] + line.box[side + 2] for line in lines) for side in (0, 1))
    return f"xywh=percent:{left:g},{top:g},{right - left:.4g},{bottom - top:.4g}"


def _passages(record: ArtifactRecord, passages: list[tuple[str, str]]) -> list[Part]:
    return [Part(record, "text", ordinal, text, place=place) for ordinal, (place, text) in enumerate(passages)]
