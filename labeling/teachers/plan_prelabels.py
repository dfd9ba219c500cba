"""The dataset of a pool with labels from teachers: images are linked, labels made where the teachers agree.

Every sample of the pool is in it. One that is left for people has no mask; its prediction lies beside, to start from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.chosen_rows import ChosenRows, Row
from curation.dataset.dataset import FILE_COLUMNS, Dataset
from curation.dataset.label_sources import LABEL_LICENSE, LABEL_SOURCE, TEACHER_AGREEMENT, TEACHER_DOUBT
from curation.dataset.licenses import BETWEEN, joint_license
from curation.dataset.sample import Item, Outcome, Plan
from curation.images.pixels import Gray, decode_gray, decode_image, encode_gray, encode_mask
from curation.labels.label_files import place_labels
from curation.labels.masks import person_area
from curation.operations.join import Joined
from curation.operations.merge import MadeOfRows, folders_of, item_of, joined_sources, merge_sample, parent_name
from curation.quarantine import QuarantineRecord
from curation.storage.checksums import read_named
from curation.storage.files import read_file, write_bytes
from labeling.teachers.teacher_label import KeepRules, TeacherLabel, teacher_label
from labeling.verdicts.hard_cases import PREDICTION, RANK
from models.evaluation.score_table import PREDICTIONS

COMMAND: Final = "prelabel"
SUPPORT, UNCERTAINTY, AT_BOUNDARY = "outline_support", "uncertainty", "uncertainty_boundary"
ADDED: Final = {
    LABEL_SOURCE: pa.string(),
    LABEL_LICENSE: pa.string(),
    TEACHER_AGREEMENT: pa.float64(),
    TEACHER_DOUBT: pa.string(),
    SUPPORT: pa.float64(),
    UNCERTAINTY: pa.float64(),
    AT_BOUNDARY: pa.float64(),
    PREDICTION: pa.string(),
}
"""Columns that labels from teachers bring; what an earlier prediction left in them is no longer true."""


class Teacher(msgspec.Struct, frozen=True, kw_only=True):
    """A model that labels, as the card of a dataset tells of it. `license` is None where its card tells none."""

    name: str
    license: str | None
    sha256: str
    card_sha256: str
    gives_alpha: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What teachers say of a sample: files of their predictions, None where one gives nothing that is finite, and how
    far the views of the first disagree, where several were predicted."""

    files: Sequence[Path | None]
    views: float | None

    @property
    def are_missing(self) -> bool:
        """Tell whether one is, or of a single teacher what it sees in other views: it gave nothing that is finite."""
        return None in self.files or (len(self.files) == 1 and self.views is None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """What is labelled: datasets with their rows joined, those that are `chosen`, in the order of their ids, and what
    left out the others.

    `broken` are chosen samples that no teacher could be shown; `remarks` are on others.
    """

    datasets: Sequence[Dataset]
    prefixes: Sequence[str]
    joined: Joined
    chosen: ChosenRows
    filtered: Mapping[str, int]
    broken: Sequence[QuarantineRecord] = ()
    remarks: Sequence[QuarantineRecord] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answered:
    """The answers of teachers, each in a folder of its own, to those of the chosen samples that one of them was shown,
    which are `rows` in the order of the joined ones: of each whether it is finite, (rows, teachers), and how far the
    views of the first teacher disagree, (rows,), NaN where there are none.
    """

    rows: ChosenRows
    folders: Sequence[Path]
    is_finite: NDArray[np.bool_]
    views: NDArray[np.float64]

    def to(self, id_: str, *, at: int) -> Answers:
        """Return the answers to the sample of that number among the rows."""
        views = float(self.views[at])
        files = [
            folder / PREDICTIONS / f"{id_}.png" if there else None
            for folder, there in zip(self.folders, self.is_finite[at].tolist(), strict=True)
        ]
        return Answers(files=files, views=None if np.isnan(views) else views)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelling:
    """Who labels, and what a label needs to be kept."""

    teachers: Sequence[Teacher]
    rules: KeepRules


def plan_prelabels(pool: Pool, *, answered: Answered | None, labelling: Labelling, settings: Mapping[str, Any]) -> Plan:
    """Plan the dataset of the samples to which there are answers: without any, none."""
    rows = ChosenRows(pool.joined, np.empty(0, dtype=np.int64)) if answered is None else answered.rows
    own = [name for name in FILE_COLUMNS if name != PREDICTION]  # that of an earlier one is no longer true
    return Plan(
        command=COMMAND,
        settings=settings,
        sources=joined_sources(source for one in pool.datasets for source in one.card.sources),
        considered=len(pool.joined),
        items=MadeOfRows(rows, partial(_items, pool=pool, answered=answered)),
        work=partial(prelabel_sample, labelling=labelling),
        filtered={reason: number for reason, number in sorted(pool.filtered.items()) if number},
        quarantined=pool.broken,
        records=pool.remarks,
        notes={**pool.joined.notes, "teachers": msgspec.to_builtins(list(labelling.teachers))},
        parents=[parent_name(one) for one in pool.datasets],
        inputs=[one.folder for one in pool.datasets],
        folders=tuple(sorted({*folders_of(rows.batches(own)), "masks", "alphas", PREDICTIONS})),
        columns={**pool.joined.columns, **ADDED},
    )


def prelabel_sample(item: Item, folder: Path, *, labelling: Labelling) -> Outcome:
    """Link the image of one sample and make its label; raises BadRecord as `merge_sample` does."""
    row, answers = item.payload["row"], item.payload["answers"]
    kept = {name: value for name, value in row.items() if name not in {*ADDED, RANK}}
    linked = merge_sample(replace(item, payload={**item.payload, "row": kept}), folder).sample
    assert linked is not None, "a row that is linked becomes a sample"
    extra: dict[str, Any] = dict.fromkeys(ADDED)
    extra |= {LABEL_SOURCE: source_of(labelling.teachers), LABEL_LICENSE: license_of(labelling.teachers)}
    if answers.are_missing:
        return _outcome(item, linked, extra | {TEACHER_DOUBT: "no_answer"})
    found = _label(row, origin=Path(item.payload["folder"]), answers=answers, labelling=labelling)
    write_bytes(folder / PREDICTIONS / f"{item.id}.png", encode_gray(found.mean))
    extra |= {
        TEACHER_AGREEMENT: found.agreement,
        TEACHER_DOUBT: found.doubt,
        SUPPORT: found.support,
        UNCERTAINTY: found.uncertainty.everywhere,
        AT_BOUNDARY: found.uncertainty.at_boundary,
        PREDICTION: f"{PREDICTIONS}/{item.id}.png",
    }
    if found.doubt is not None:
        return _outcome(item, linked, extra)
    pictures = {"mask": encode_mask(found.mask)}
    pictures |= {} if found.alpha is None else {"alpha": encode_gray(found.alpha)}
    placed = place_labels(pictures, sample_id=item.id, folder=folder)
    labelled = msgspec.structs.replace(linked, **placed.paths, person_area=person_area(found.mask))
    return _outcome(item, labelled, {**extra, **placed.digests})


def source_of(teachers: Sequence[Teacher]) -> str:
    """Return the names of teachers as a row tells them."""
    return BETWEEN.join(one.name for one in teachers)


def license_of(teachers: Sequence[Teacher]) -> str | None:
    """Return the licences of teachers as a row tells them, each once; None where none is known."""
    return joint_license(tuple(one.license for one in teachers))


def _outcome(item: Item, sample: Any, extra: Mapping[str, Any]) -> Outcome:
    return Outcome(id=item.id, sample=msgspec.structs.replace(sample, extra={**sample.extra, **extra}))


def _label(row: Mapping[str, Any], *, origin: Path, answers: Answers, labelling: Labelling) -> TeacherLabel:
    image = decode_image(read_named(row, column="image", folder=origin), file=str(origin / row["image"]))
    found = [_read(file) for file in answers.files if file is not None]
    alphas = [one for one, teacher in zip(found, labelling.teachers, strict=True) if teacher.gives_alpha]
    return teacher_label(image, answers=found, alphas=alphas, views=answers.views, rules=labelling.rules)


def _read(path: Path) -> Gray:
    return decode_gray(read_file(path), file=str(path))


def _items(rows: list[Row], places: NDArray[np.int64], *, pool: Pool, answered: Answered | None) -> list[Item]:
    assert answered is not None, "there are rows where there are answers"
    found = []
    at, owners = np.searchsorted(answered.rows.places, places).tolist(), pool.joined.owners(places).tolist()
    for row, number, owner in zip(rows, at, owners, strict=True):
        item = item_of(row, dataset=pool.datasets[owner], prefix=pool.prefixes[owner])
        answers = answered.to(item.id, at=number)
        found.append(Item(id=item.id, payload={**item.payload, "answers": answers}, file=item.file))
    return found
