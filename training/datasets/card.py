"""The card of a dataset version, and the difference between two versions, in Markdown."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from training.datasets.manifest import SPLITS, Item, Manifest, short
from training.datasets.versions import DatasetVersion

_FEW = 3
"""A label with fewer items than this in a split is named as thin."""
_SHOWN = 20


class Difference(BaseModel):
    """What changed between two versions, by the key of the item: what it is, and its labels before and now."""

    added: list[str]
    removed: list[str]
    relabelled: dict[str, tuple[str, str]]

    def __str__(self) -> str:
        return f"{len(self.added)} added, {len(self.removed)} removed, {len(self.relabelled)} with another label."


def difference(before: Manifest, now: Manifest) -> Difference:
    """Compare two versions."""
    old, new = ({item.key: item for item in manifest.items} for manifest in (before, now))
    changed = {key: (old[key], new[key]) for key in sorted(old.keys() & new.keys()) if old[key].label != new[key].label}
    return Difference(
        added=[_told(new[key]) for key in sorted(new.keys() - old.keys())],
        removed=[_told(old[key]) for key in sorted(old.keys() - new.keys())],
        relabelled={
            short(one): (one.label or "no label", other.label or "no label") for one, other in changed.values()
        },
    )


def dataset_card(name: str, version: DatasetVersion) -> str:
    """A page about a version: origin, licence, counts by label and split, what is thin, what was left out."""
    labels = sorted({label for counts in version.counts.values() for label in counts})
    rows = [
        f"| {_cell(label) or '(no label)'} | "
        + " | ".join(str(version.counts[split].get(label, 0)) for split in SPLITS)
        + " |"
        for label in labels
    ]
    return "\n".join(
        [
            f"# Dataset {name}",
            "",
            f"- Version `{version.digest[:12]}` of {version.created:%Y-%m-%d}, "
            + (f"after `{version.parent[:12]}`" if version.parent else "the first one"),
            f"- {version.size} {version.kind}, made from {_cell(version.source)}",
            f"- Licence: {_cell(version.licence) or 'not stated: say it with --licence'}",
            f"- Splits are decided by the hash of each item unless a file says them: {_totals(version.counts)}",
            f"- Personal data found by rules: {_listed(version.personal) or 'none'}",
            f"- Left out: {_listed(version.left_out) or 'nothing'}",
            *_thin(version.counts, labels),
            "",
            f"| label | {' | '.join(SPLITS)} |",
            f"|---|{'---:|' * len(SPLITS)}",
            *rows,
            "",
        ]
    )


def _thin(counts: Mapping[str, Mapping[str, int]], labels: Sequence[str]) -> list[str]:
    found = [label for label in labels if label and counts["test"].get(label, 0) < _FEW]
    if not found:
        return []
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return [
        f"- Fewer than {_FEW} test items, too few to tell how well they are learned: "
        f"{_cell(', '.join(found[:_SHOWN]))}{more}"
    ]


def _totals(counts: Mapping[str, Mapping[str, int]]) -> str:
    return ", ".join(f"{sum(counts[split].values())} {split}" for split in SPLITS)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _told(item: Item) -> str:
    return f"{short(item)} ({item.label or 'no label'})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
