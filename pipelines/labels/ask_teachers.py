"""Teachers predict a pool, each into a folder of its own, and are tested on what is known to show nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.dataset.chosen_rows import ROWS_AT_ONCE, ChosenRows, Rules, places_left
from curation.dataset.dataset import read_quarantine
from curation.dataset.licenses import joint_license
from curation.dataset.rows import blocks_of
from curation.errors import InputRefused
from curation.operations.merge import by_id
from curation.quarantine import first_of_each
from curation.sequences import Mapped, batched
from curation.storage.files import sha256_of
from curation.storage.text_set import TextSet
from labeling.teachers.plan_prelabels import Answered, Pool, Teacher
from models.card import ModelCard, known_licenses
from models.evaluation.checked_model import CheckedModel
from models.evaluation.choose_sets import identify
from models.evaluation.score_dataset import Part
from models.evaluation.score_files import Row, ScoringPlace, prediction_path
from models.evaluation.score_table import StoredScores, scores_by_name
from models.prediction.checks.blind import refuse_blind
from models.prediction.checks.real_pictures import samples_of
from pipelines.command_line.options import RunOptions
from pipelines.labels.prelabel_flags import PrelabelFlags
from pipelines.labels.prelabel_plan import rows_by_dataset
from pipelines.labels.scored import scored

NOT_ASKED: Final = frozenset({"agreement", "support", "teachers"})
"""Settings that change no prediction."""
ENOUGH: Final = 10
"""Photographs of which a teacher that sees nobody in any is refused: what is left of a pool may show nobody."""
SEEN: Final = 0.01
"""Of an image that shows nobody: what a teacher takes for person there, and more, is somebody."""
MOST_ALARMS: Final = 0.95
"""Of the images that show nobody: a teacher that sees somebody in more tells nothing. Two good teachers of portraits
saw somebody in 55 % and 88 % of 60 COCO images without persons; asked together, they agreed on one image."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """The pool with what is broken in it, what the teachers say of the others, and what to be warned of."""

    pool: Pool
    answered: Answered
    warnings: tuple[str, ...] = ()


def checked_teachers(flags: PrelabelFlags, *, pool: Pool, run: RunOptions) -> list[CheckedModel]:
    """Return the teachers; a single one sees several views. Raises InputRefused for a model that is named twice."""
    samples = [] if run.dry_run else samples_of(_parts(pool, places=pool.chosen.places))
    is_single = len(flags.teacher) == 1
    has_views = flags.with_flips or flags.with_scales
    options = replace(
        run.predicting,
        with_flips=flags.with_flips or (is_single and not has_views),
        with_scales=is_single and (flags.with_scales or not has_views),
    )
    found: dict[str, CheckedModel] = {}
    for path in flags.teacher:
        model = identify(path)
        key = model.sha256  # whatever its card says
        if key in found:
            raise InputRefused(
                f"this is the model {found[key].model.path} once more: that both agree shows nothing",
                where=path,
                remedy="name other models; a single teacher is compared with itself on views of the image",
            )
        found[key] = CheckedModel(model, options=options, samples=samples)
    return list(found.values())


def described(teacher: CheckedModel) -> Teacher:
    """Return what a dataset tells of a teacher."""
    ready = teacher.ready("fp32")
    return Teacher(
        name=ready.card.name or teacher.model.name,
        license=license_of_card(ready.card),
        sha256=teacher.model.sha256,
        card_sha256=teacher.model.card_sha256,
        gives_alpha=ready.gives_alpha,
    )


def license_of_card(card: ModelCard) -> str | None:
    """Return the licence of a model, and of the models from which it learnt, each once; None where none is known."""
    return joint_license(known_licenses(card) or (None,))


def ask_teachers(
    pool: Pool, *, teachers: Sequence[CheckedModel], staging: Path, settings: Mapping[str, Any], run: RunOptions
) -> Asked:
    """Let every teacher predict the pool. Raises InputRefused for one that sees nobody, or somebody everywhere."""
    empty = _of_nobody(pool)
    asked = _parts(pool, places=np.union1d(pool.chosen.places, empty))
    said, folders, warnings = [], [], list[str]()
    for teacher in teachers:
        out = staging / answers_name(teacher, settings=settings, is_single=len(teachers) == 1)
        parts = [
            Part(rows=rows, place=ScoringPlace(dataset=folder, name=f"part-{index}", out=out, with_alpha=False))
            for index, (folder, rows) in enumerate(asked)
            if rows
        ]
        scores = scored(parts, model=teacher, run=run, name=f"prelabel, {teacher.model.name}", work=out.name).scores
        found = _said(pool, scores=scores, others=empty)
        warnings += _alarms(teacher, shares=found.seen[np.isin(found.places, empty)])
        is_asked = np.isin(found.places, pool.chosen.places)
        finite = ChosenRows(scores, np.flatnonzero(is_asked & found.is_finite))
        answers = Mapped(finite, partial(_prediction_of, out=out))
        warnings += refuse_blind(answers, model=Path(teacher.model.path), asked=int(is_asked.sum()), enough=ENOUGH)
        said.append(found)
        folders.append(out)
    names = [teacher.model.name for teacher in teachers]
    return replace(_asked(pool, names=names, said=said, folders=folders), warnings=tuple(warnings))


def _prediction_of(score: Row, *, out: Path) -> Path:
    return prediction_path(out, sample_id=score["id"])


def _of_nobody(pool: Pool) -> NDArray[np.int64]:
    """Return the numbers of the joined rows that are known to show nobody, and have no mask."""
    rules: Rules = {"somebody": lambda _, row: row["persons"] != 0, "mask": lambda _, row: row["mask"] is not None}
    return places_left(pool.joined, columns=["persons", "mask"], rules=rules)[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Said:
    """What a teacher says of samples, `places` among the joined rows, in the order of its scores; NaN where it says
    nothing: whether its prediction is finite, how far its views disagree, which share it takes for a person by mistake.
    """

    places: NDArray[np.int64]
    is_finite: NDArray[np.bool_]
    views: NDArray[np.float64]
    seen: NDArray[np.float64]


def _said(pool: Pool, *, scores: StoredScores, others: NDArray[np.int64]) -> _Said:
    known = TextSet()
    for table in blocks_of(scores, ["id"]):
        known.add_all(table["id"].to_pylist())
    rows = ChosenRows(pool.joined, by_id(pool.joined, places=np.union1d(pool.chosen.places, others)))
    places = rows.having(known.known).places  # scores are in the order of ids as well
    found = scores_by_name(scores, ["is_finite", "view_disagreement", "false_foreground"])
    return _Said(
        places=places,
        is_finite=found["is_finite"].astype(np.bool_),
        views=found["view_disagreement"],
        seen=found["false_foreground"],
    )


def answers_name(teacher: CheckedModel, *, settings: Mapping[str, Any], is_single: bool) -> str:
    """Return what the folder of a teacher's answers is called, which depend on what is asked, not on what is kept."""
    asked = {name: value for name, value in settings.items() if name not in NOT_ASKED}
    told = [asked, is_single, teacher.model.sha256, teacher.model.card_sha256]
    return sha256_of(msgspec.json.encode(told, order="deterministic"))[:16]


def _asked(pool: Pool, *, names: Sequence[str], said: Sequence[_Said], folders: Sequence[Path]) -> Asked:
    places = np.sort(pool.chosen.places)
    is_there = np.stack([np.isin(places, one.places) for one in said], axis=1)
    shown = places[is_there.any(axis=1)]
    is_finite = np.stack([np.isin(shown, one.places[one.is_finite]) for one in said], axis=1)
    views = np.full(len(shown), np.nan)
    first = np.isin(said[0].places, shown)
    views[np.searchsorted(shown, said[0].places[first])] = said[0].views[first]
    answered = Answered(rows=ChosenRows(pool.joined, shown), folders=folders, is_finite=is_finite, views=views)
    chosen, answering = _ids(pool.chosen), _ids(answered.rows)
    records = [
        (name, record)
        for name, folder in zip(names, folders, strict=True)
        for record in read_quarantine(folder)
        if record.record_id in chosen
    ]
    broken = first_of_each(record for _, record in records if record.record_id not in answering)
    remarks = [
        msgspec.structs.replace(record, reason=f"{name}: {record.reason}")
        for name, record in records
        if record.record_id in answering
    ]
    return Asked(pool=replace(pool, broken=broken, remarks=remarks), answered=answered)


def _ids(rows: ChosenRows) -> TextSet:
    found = TextSet()
    for some in batched(rows.column("id"), size=ROWS_AT_ONCE):
        found.add_all(some)
    return found


def _parts(pool: Pool, *, places: NDArray[np.int64]) -> list[tuple[Path, ChosenRows]]:
    """Return some of the joined rows, with the ids that they have in the result, by the folder of their dataset."""
    return [
        (dataset.folder, rows)
        for dataset, rows in zip(pool.datasets, rows_by_dataset(pool, places=places), strict=True)
    ]


def _alarms(teacher: CheckedModel, *, shares: NDArray[np.float64]) -> list[str]:
    """Say in how many images without persons a teacher sees somebody; raises InputRefused where that is all.

    `shares` are those of such images that it takes for a person, NaN where it says nothing.
    """
    told = int((~np.isnan(shares)).sum())
    alarms = int((shares > SEEN).sum())
    if alarms > MOST_ALARMS * told:
        raise InputRefused(
            f"this teacher sees somebody in {alarms} of {told} images that show nobody",
            where=teacher.model.path,
            remedy="leave it out; or, where the images do show people, make their data set again, see "
            "`curate check-backgrounds`",
        )
    name = teacher.model.name
    return [f"{name} sees somebody in {alarms} of {told} images that show nobody"] if alarms else []
