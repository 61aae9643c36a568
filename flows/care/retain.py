"""Apply retention rules: remove artifacts older than their labels allow, except those with the label `hold`."""

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

from flows.care.removal import remove_artifacts
from flows.library.indexing import is_findable
from flows.library.markdown import escaped
from flows.library.trash import TRASH_TIME, trashed_since
from flows.running.context import RunContext
from flows.running.errors import FlowError
from flows.running.form import Form, project_field
from flows.running.platform import Space
from flows.running.prefect_context import run_as_flow
from storage.care.tombstones import Tombstone, Tombstones
from storage.errors import RecordCorrupt
from storage.labels import HOLD, TRASH, Label
from storage.records import ArtifactRecord


class RetentionRules(BaseModel):
    """The file configs/retention.yaml: after how many days from its ingest an artifact with a label is removed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: dict[Label, int] = Field(default_factory=dict)


class WrongRules(FlowError):
    """The file of retention rules cannot be read."""


class Retention(Form):
    """The project to apply the retention rules to."""

    project: str = project_field()


class Expired(BaseModel):
    """An artifact past its retention period, and the rule that it falls under."""

    artifact: str
    name: str
    rule: str


class RetainReport(BaseModel):
    """What was removed, or would be, and how many expired artifacts are kept by `hold`.

    `unreadable` are the ids of artifacts whose records or references cannot be read, and the keys of such recipes, and
    why: they stay.
    """

    expired: list[Expired]
    held: int
    dry_run: bool
    unreadable: dict[str, str] = {}

    def __str__(self) -> str:
        would = "would be" if self.dry_run else "were"
        held = f" {self.held} more are held." if self.held else ""
        unreadable = f" {len(self.unreadable)} records cannot be read." if self.unreadable else ""
        return f"{len(self.expired)} artifacts {would} removed.{held}{unreadable}"


@flow(name="retain")
async def retain(retention: Retention | None = None) -> State[Any]:
    """Report what the retention rules would remove, and remove nothing."""
    chosen = retention or Retention()
    return await run_as_flow(chosen.project, lambda context: apply_retention(context, delete=False), queue="batch")


async def apply_retention(context: RunContext, *, delete: bool, now: datetime | None = None) -> RetainReport:
    """Remove what is older than the rules allow. The bytes go with later garbage collections. Raises WrongRules."""
    rules = read_rules(context.space.platform.settings.retention_config)
    report = await asyncio.to_thread(_apply, context.space, rules, delete, now or datetime.now(UTC))
    lines = [f"- {escaped(item.name)}: {escaped(item.rule)}" for item in report.expired[:200]]
    lines += [f"- {escaped(reason)}" for reason in report.unreadable.values()]
    await context.show("expired", "\n".join([escaped(str(report)), "", *lines]))
    return report


def read_rules(path: Path) -> RetentionRules:
    """Read and check the rules of a file. Raises WrongRules."""
    try:
        rules = RetentionRules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise WrongRules(f"The retention rules in {path} cannot be read: {str(error).splitlines()[0]}") from error
    if HOLD in rules.days or any(days < 1 for days in rules.days.values()):
        raise WrongRules(f"The retention rules in {path} give each label one day or more, and {HOLD!r} none.")
    return rules


@dataclass(frozen=True)
class _Inventory:
    """All records of a project and their labels, by artifact id."""

    records: dict[str, ArtifactRecord]
    labels: dict[str, tuple[str, ...]]

    def is_held(self, sha256: str) -> bool:
        return HOLD in self.labels[sha256]


def _apply(space: Space, rules: RetentionRules, delete: bool, now: datetime) -> RetainReport:
    inventory, expired_rules, unreadable = _read_inventory(space, rules, now)
    records = inventory.records
    expired = {sha256: rule for sha256, rule in expired_rules.items() if not inventory.is_held(sha256)}
    expired |= dict(_derived(inventory, expired))
    items = [Expired(artifact=sha256, name=records[sha256].name, rule=rule) for sha256, rule in expired.items()]
    if delete:
        items = _still_expired(space, inventory, items, rules, now, unreadable)
        tombstones = [_tombstone(inventory, item, now) for item in items]
        unreadable |= remove_artifacts(space, tombstones, records, unreadable.keys())
    held = len(expired_rules.keys() - expired.keys())
    return RetainReport(expired=items, held=held, dry_run=not delete, unreadable=unreadable)


def _read_inventory(
    space: Space, rules: RetentionRules, now: datetime
) -> tuple[_Inventory, dict[str, str], dict[str, str]]:
    """Read all records and labels; return them, the rules by which artifacts have expired, and why others stay."""
    found, unreadable = space.records.read_all()
    labels, no_labels = space.labels.of_many(found)
    unreadable |= no_labels
    records = {record.artifact.sha256: record for record in found if record.artifact.sha256 in labels}
    expired: dict[str, str] = {}
    for sha256, record in records.items():
        try:
            if rule := _rule(space, record, labels[sha256], rules, now):
                expired[sha256] = rule
        except RecordCorrupt as error:
            unreadable[sha256] = str(error)
    readable = {sha256: record for sha256, record in records.items() if sha256 not in unreadable}
    return _Inventory(readable, labels), expired, unreadable


def _rule(
    space: Space, record: ArtifactRecord, labels: tuple[str, ...], rules: RetentionRules, now: datetime
) -> str | None:
    """Return the rule by which the artifact has expired, if it has. The label with the longest period counts.

    Raises RecordCorrupt if the time of its deletion cannot be read.
    """
    if TRASH in labels and (since := trashed_since(space, record.artifact.sha256)) and since + TRASH_TIME <= now:
        return f"deleted, {TRASH_TIME.days} days"
    periods = [(rules.days[label], label) for label in labels if label in rules.days]
    if not periods:
        return None
    days, label = max(periods)
    return f"{label}, {days} days" if record.created + timedelta(days=days) <= now else None


def _derived(inventory: _Inventory, expired: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the artifacts derived only from expired ones, such as transcripts and subtitles, with their rule."""
    for sha256, record in inventory.records.items():
        is_derived = bool(record.parents) and all(parent in expired for parent in record.parents)
        if is_derived and sha256 not in expired and not is_findable(record) and not inventory.is_held(sha256):
            yield sha256, f"made from {inventory.records[record.parents[0]].name}"


def _still_expired(
    space: Space,
    inventory: _Inventory,
    items: Sequence[Expired],
    rules: RetentionRules,
    now: datetime,
    unreadable: dict[str, str],
) -> list[Expired]:
    """Read the labels again, right before the removal, and leave out what was put on hold or relabelled meanwhile.

    What has labels or a tombstone that cannot be read is left out too, and added to `unreadable`.
    """
    kept: set[str] = set()
    tombstones = Tombstones(space.platform.bucket, space.project)
    for item in items:
        record = inventory.records[item.artifact]
        try:
            labels = space.labels.of(record)
            was_expired_itself = _rule(space, record, inventory.labels[item.artifact], rules, now)
            is_expired = not was_expired_itself or _rule(space, record, labels, rules, now)
            tombstones.find(item.artifact)  # of an earlier removal: this one replaces it
        except RecordCorrupt as error:
            kept.add(item.artifact)
            unreadable[item.artifact] = str(error)
            continue
        if HOLD in labels or not is_expired:
            kept.add(item.artifact)
    # What derives from something that is kept is kept with it.
    return [
        item for item in items if item.artifact not in kept and not kept & set(inventory.records[item.artifact].parents)
    ]


def _tombstone(inventory: _Inventory, item: Expired, now: datetime) -> Tombstone:
    record = inventory.records[item.artifact]
    return Tombstone(
        artifact=item.artifact,
        name=record.name,
        media_type=record.artifact.media_type,
        labels=inventory.labels[item.artifact],
        reason=item.rule,
        removed=now,
    )
