"""Samples set aside from a finished dataset: their rows become lines of its quarantine, their files are moved.

Nothing is deleted: the files lie in the folder `set_aside` of the dataset, in folders of the same names as before.
Labels in tar files are copied there, and stay in these as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from curation.dataset.card import Card
from curation.dataset.dataset import FILE_COLUMNS, Dataset, named_files, read_quarantine, write_dataset
from curation.dataset.licenses import license_counts
from curation.dataset.rows import InMemory
from curation.image_uri import image_uri
from curation.labels.label_files import plain_path
from curation.operations.rewrite import rewriting
from curation.quarantine import BadRecord
from curation.storage.files import TEMPORARY_PREFIX, link_or_copy, make_folder, safe_join, telling_where

SET_ASIDE: Final = "set_aside"


def set_aside_samples(folder: Path, problems: Mapping[str, BadRecord], *, stage: str) -> Card:
    """Take samples out of a dataset, each for its reason, and give the new card; ids that are not there are no matter.

    The counts are conserved: what was selected is quarantined now. Files are linked aside first and taken away last:
    a run that is killed leaves the old dataset or the new one, and the next run tidies up.
    Raises InputRefused when there is no dataset, EnvironmentProblem when another run is at work in it.
    """
    with rewriting(folder) as dataset:
        rows = [row for row in dataset.table.to_pylist() if row["id"] in problems]
        for row in rows:
            for column, relative in [(name, row[name]) for name in FILE_COLUMNS if row.get(name) is not None]:
                if image_uri(relative) is not None:  # it is not of this data set alone, and stays where it is
                    continue
                own = plain_path(relative, column=column, sample_id=row["id"])
                target = safe_join(folder / SET_ASIDE, own)
                make_folder(target.parent, below=folder)
                link_or_copy(safe_join(folder, relative), target, below=folder)
        card = dataset.card
        if rows:
            table = dataset.table.filter(
                pc.invert(pc.is_in(dataset.table["id"], pa.array([row["id"] for row in rows])))
            )
            lines = [
                problems[row["id"]].record(stage=stage, file=folder / SET_ASIDE / row["image"], record_id=row["id"])
                for row in rows
            ]
            card = write_dataset(
                folder,
                card=_counted(dataset, table=table, problems=[problems[row["id"]] for row in rows]),
                table=table,
                quarantine=[*read_quarantine(folder), *lines],
            )
            dataset = Dataset(folder=folder, card=card, rows=InMemory(table))
        _take_away(dataset)
        return card


def _counted(dataset: Dataset, *, table: pa.Table, problems: list[BadRecord]) -> Card:
    counts = dataset.card.counts
    broken = Counter(counts.quarantined) + Counter(str(problem.code) for problem in problems)
    return msgspec.structs.replace(
        dataset.card,
        counts=msgspec.structs.replace(counts, selected=table.num_rows, quarantined=dict(sorted(broken.items()))),
        licenses=license_counts(table),
    )


def _take_away(dataset: Dataset) -> None:
    """Delete the first names of files that lie aside, unless a row still needs them; and what a kill left half-made."""
    named = named_files(dataset.table)
    aside = dataset.folder / SET_ASIDE
    with telling_where(aside):
        for path in list(aside.rglob("*")):
            relative = path.relative_to(aside).as_posix()
            if path.name.startswith(TEMPORARY_PREFIX):
                path.unlink()
            elif path.is_file() and relative not in named:
                (dataset.folder / relative).unlink(missing_ok=True)
