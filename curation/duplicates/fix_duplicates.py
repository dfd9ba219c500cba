"""Copies brought to one side: every cluster gets one group and one split, in the manifests of its datasets.

Nothing is deleted. What shares a group with a copy comes along, else the group would lie on two sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa

from curation.dataset.dataset import Dataset, read_quarantine, write_dataset
from curation.duplicates.find_duplicates import HELD_OUT, Duplicates
from curation.errors import EnvironmentProblem, InputRefused
from curation.operations.clusters import Clusters
from curation.operations.leaks import split_counts
from curation.operations.lineage import COPIES
from curation.operations.rewrite import rewriting

DIGITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one row of a manifest: its group and its split."""

    dataset: int
    row: int
    id: str
    group: str
    split: str | None
    old_group: str
    old_split: str | None


def planned_changes(found: Duplicates, *, datasets: Sequence[Dataset]) -> list[Change]:
    """Return the rows whose group or split changes when every cluster is brought to one side: test before val before
    train.

    Raises InputRefused when a split has another name.
    """
    starts = _starts(datasets)
    rows = [row for dataset in datasets for row in _rows(dataset)]
    families = Clusters[int]()
    for column in ("group", "sha256"):
        families.join_equal(range(len(rows)), values=[row[column] for row in rows])
    for cluster in found.clusters:
        numbers = [starts[picture.dataset] + picture.row for picture in map(found.pictures.__getitem__, cluster)]
        for number in numbers[1:]:
            families.join(numbers[0], second=number)
    touched = {
        families.leader(starts[picture.dataset] + picture.row)
        for cluster in found.clusters
        for picture in map(found.pictures.__getitem__, cluster)
    }
    places = [(number, row) for number, dataset in enumerate(datasets) for row in range(len(dataset))]
    changes: list[Change] = []
    for family in families.groups():
        if family[0] in touched:
            members = {number: rows[number] for number in family}
            group, split = _group_of(members.values()), _split_of(members.values())
            changes += [
                _change(row, place=places[number], group=group, split=split)
                for number, row in members.items()
                if (row["group"], row["split"]) != (group, split)
            ]
    return changes


def apply_changes(changes: Sequence[Change], *, datasets: Sequence[Dataset]) -> None:
    """Rewrite the manifests, each at once and whole; a run that is killed in between is finished by the next.

    Raises EnvironmentProblem when a dataset was changed since it was read.
    """
    for number, dataset in enumerate(datasets):
        own = [change for change in changes if change.dataset == number]
        with rewriting(dataset.folder) as now:
            if not own:
                continue  # but a change that was killed is settled
            if now.card.manifest_sha256 != dataset.card.manifest_sha256:
                reason = "the dataset was changed while its pictures were looked at"
                raise EnvironmentProblem(reason, where=dataset.folder, remedy="run the same command again")
            table = _changed(now.table, changes=own)
            card = msgspec.structs.replace(now.card, notes=_notes(now, table=table, changes=own))
            write_dataset(dataset.folder, card=card, table=table, quarantine=read_quarantine(dataset.folder))


def change_counts(changes: Iterable[Change]) -> dict[str, Any]:
    """Return how many rows change their group, and how many go from which split to which."""
    moves: dict[str, int] = {}
    regrouped = 0
    for change in changes:
        regrouped += change.group != change.old_group
        if change.split != change.old_split:
            name = f"{change.old_split or 'none'} to {change.split}"
            moves[name] = moves.get(name, 0) + 1
    return {"regrouped": regrouped, "moved": sum(moves.values()), "moves": dict(sorted(moves.items()))}


def _starts(datasets: Sequence[Dataset]) -> list[int]:
    """Return for each dataset the number of its first row among the rows of all."""
    starts = [0]
    for dataset in datasets:
        starts.append(starts[-1] + len(dataset))
    return starts


def _rows(dataset: Dataset) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = dataset.table.select(["id", "group", "split", "sha256"]).to_pylist()
    if strange := sorted({row["split"] for row in rows} - {*HELD_OUT, None}):
        raise InputRefused(
            f"the column split holds {', '.join(map(repr, strange))}; it may hold {', '.join(HELD_OUT)}",
            where=dataset.folder,
            remedy="correct it, or split the dataset again: curate split --overwrite",
        )
    return rows


def _group_of(members: Iterable[Mapping[str, Any]]) -> str:
    """Return the group of a family: the one that all have, or one made before, or a new one that no other can have."""
    rows = list(members)
    groups = {str(row["group"]) for row in rows if row["group"] is not None}
    if len(groups) == 1 and all(row["group"] is not None for row in rows):
        return groups.pop()
    made = [group for group in groups if group.startswith(COPIES)]
    return min(made, default=COPIES + min(str(row["sha256"]) for row in rows)[:DIGITS])


def _split_of(members: Iterable[Mapping[str, Any]]) -> str | None:
    present = {row["split"] for row in members}
    return next((split for split in HELD_OUT if split in present), None)


def _change(row: Mapping[str, Any], *, place: tuple[int, int], group: str, split: str | None) -> Change:
    return Change(
        dataset=place[0],
        row=place[1],
        id=row["id"],
        group=group,
        split=split,
        old_group=row["group"],
        old_split=row["split"],
    )


def _changed(table: pa.Table, *, changes: Sequence[Change]) -> pa.Table:
    for column in ("group", "split"):
        values = table[column].to_pylist()
        for change in changes:
            values[change.row] = getattr(change, column)
        table = table.set_column(table.column_names.index(column), column, pa.array(values, pa.string()))
    return table


def _notes(dataset: Dataset, *, table: pa.Table, changes: Sequence[Change]) -> dict[str, Any]:
    """Return the notes of the card with what was changed; a note of how it was split counts again."""
    notes = {**dataset.card.notes, "duplicates": change_counts(changes)}
    if isinstance(note := notes.get("split"), dict):
        notes["split"] = {**note, "counts": split_counts(table)}
    return notes
