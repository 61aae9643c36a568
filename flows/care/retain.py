"""Retention: artifacts whose label says that their time is over are removed; what has the label `hold` never is."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.library.indexing import expected_entries, is_findable
from flows.running.context import RunContext
from flows.running.errors import FlowError
from flows.running.form import Form, project_field
from flows.running.markdown import escaped
from flows.running.platform import Space
from flows.running.prefect_context import run_as_flow
from modalities.embedding.open_clip import EmbedText
from storage.care.tombstones import Tombstone, Tombstones
from storage.errors import StorageError
from storage.labels import HOLD, Label
from storage.records import ArtifactRecord


class RetentionRules(BaseModel):
    """configs/retention.yaml: how many days after its ingest an artifact with a label is removed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: dict[Label, int] = Field(default_factory=dict)


class WrongRules(FlowError):
    """The file of retention rules cannot be read."""


class Retention(Form):
    """Where to look."""

    project: str = project_field()


class Expired(BaseModel):
    """An artifact whose time is over, and the rule that says so."""

    artifact: str
    name: str
    rule: str


class RetainReport(BaseModel):
    """What was removed, or would be; how many a hold has kept."""

    expired: list[Expired]
    held: int
    dry_run: bool

    def __str__(self) -> str:
        would = "would be" if self.dry_run else "were"
        held = f" {self.held} more are held." if self.held else ""
        return f"{len(self.expired)} artifacts {would} removed.{held}"


@flow(name="retain")
async def retain(retention: Retention | None = None) -> State[Any]:
    """Tell what the retention rules would remove, and remove nothing."""
    chosen = retention or Retention()
    return await run_as_flow(chosen.project, lambda context: apply_retention(context, delete=False), queue="batch")


async def apply_retention(context: RunContext, *, delete: bool, now: datetime | None = None) -> RetainReport:
    """Remove what is older than the rules allow; the bytes go with the next garbage collections. Raises WrongRules."""
    rules = read_rules(context.space.platform.settings.retention_config)
    report = await asyncio.to_thread(_apply, context.space, rules, delete, now or datetime.now(UTC))
    lines = [f"- {escaped(item.name)}: {escaped(item.rule)}" for item in report.expired[:200]]
    await context.show("expired", "\n".join([escaped(str(report)), "", *lines]))
    return report


def read_rules(path: Path) -> RetentionRules:
    """The rules of a file. Raises WrongRules."""
    try:
        rules = RetentionRules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise WrongRules(f"The retention rules in {path} cannot be read: {str(error).splitlines()[0]}") from error
    if HOLD in rules.days or any(days < 1 for days in rules.days.values()):
        raise WrongRules(f"The retention rules in {path} give each label one day or more, and {HOLD!r} none.")
    return rules


@dataclass(frozen=True)
class _Known:
    """All records of a project and their labels."""

    records: dict[str, ArtifactRecord]
    labels: dict[str, tuple[str, ...]]

    def is_held(self, sha256: str) -> bool:
        return HOLD in self.labels[sha256]


def _apply(space: Space, rules: RetentionRules, delete: bool, now: datetime) -> RetainReport:
    records = {record.artifact.sha256: record for record in space.records.all()}
    known = _Known(records, space.labels.of_all(list(records.values())))
    over = {sha256: rule for sha256, record in records.items() if (rule := _rule(record, known, rules, now))}
    expired = {sha256: rule for sha256, rule in over.items() if not known.is_held(sha256)}
    expired |= dict(_repeating(known, expired))
    items = [Expired(artifact=sha256, name=records[sha256].name, rule=rule) for sha256, rule in expired.items()]
    if delete:
        _remove(space, known, items, now)
    return RetainReport(expired=items, held=len(over.keys() - expired.keys()), dry_run=not delete)


def _rule(record: ArtifactRecord, known: _Known, rules: RetentionRules, now: datetime) -> str | None:
    """The rule by which the artifact's time is over. Of several labels the one with the longest time counts."""
    times = [(rules.days[label], label) for label in known.labels[record.artifact.sha256] if label in rules.days]
    if not times:
        return None
    days, label = max(times)
    return f"{label}, {days} days" if record.created + timedelta(days=days) <= now else None


def _repeating(known: _Known, expired: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Transcripts, subtitles and the like: what tells of nothing but what goes."""
    for sha256, record in known.records.items():
        goes = bool(record.parents) and all(parent in expired for parent in record.parents)
        if goes and sha256 not in expired and not is_findable(record) and not known.is_held(sha256):
            yield sha256, f"made from {known.records[record.parents[0]].name}"


def _remove(space: Space, known: _Known, items: Sequence[Expired], now: datetime) -> None:
    """The reason first and the record last: whoever is cut off is done the next time."""
    gone = {item.artifact for item in items}
    bucket, tombstones = space.platform.bucket, Tombstones(space.platform.bucket, space.project)
    for item in items:
        record = known.records[item.artifact]
        tombstone = Tombstone(
            artifact=item.artifact,
            name=record.name,
            media_type=record.artifact.media_type,
            labels=known.labels[item.artifact],
            reason=item.rule,
            removed=now,
        )
        tombstones.add(tombstone)
    answers = set(_answers_about(space, known, gone))
    space.index.remove(space.project, sorted(gone))
    space.library.remove(space.project, sorted(gone))
    bucket.remove_all([f"{space.project}/recipes/{key}.json" for key in sorted(answers)])
    bucket.remove_all([f"{space.project}/artifacts/{sha256}.json" for sha256 in sorted(gone)])
    for sha256 in gone:
        space.labels.forget(sha256)


def _answers_about(space: Space, known: _Known, gone: set[str]) -> Iterator[str]:
    """The keys of recipes that hold what is removed: answers about it, and its passages. Others may ask them anew."""
    needed = {record.producer for sha256, record in known.records.items() if sha256 not in gone}
    for recipe in space.recipes.all():
        if gone & set(recipe.recipe.inputs) and recipe.recipe.key not in needed:
            yield recipe.recipe.key
    for sha256 in gone:
        record = known.records[sha256]
        if record.producer:
            yield from {record.producer} - needed
        for text in _passages(space, record):
            yield space.answers.recipe(EmbedText(model=space.profile.passages, text=text, role="passage")).key


def _passages(space: Space, record: ArtifactRecord) -> list[str]:
    try:
        entries = expected_entries(space, record, ()) if is_findable(record) else []
    except StorageError:
        return []  # the bytes are lost already
    return [entry.text for entry in entries or [] if entry.text]
