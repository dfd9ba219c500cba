"""Teachers predict a pool, each into a folder of its own, and are tested on what is known to show nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from curation.dataset.dataset import of_ids, read_quarantine
from curation.dataset.licenses import joint_license
from curation.errors import InputRefused
from curation.quarantine import QuarantineRecord
from curation.storage.files import sha256_of
from labeling.teachers.plan_prelabels import Answers, Pool, Teacher
from models.card import ModelCard, known_licenses
from models.evaluation.checked_model import CheckedModel
from models.evaluation.choose_sets import identify
from models.evaluation.score_dataset import Part
from models.evaluation.score_files import Row, ScoringPlace
from models.evaluation.score_table import PREDICTIONS
from models.prediction.checks.blind import refuse_blind
from models.prediction.checks.real_pictures import samples_of
from pipelines.command_line.options import RunOptions
from pipelines.labels.prelabel_flags import PrelabelFlags
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
    """The pool with what is broken in it, what the teachers say of the others, by id, and what to be warned of."""

    pool: Pool
    answers: Mapping[str, Answers]
    warnings: tuple[str, ...] = ()


def checked_teachers(flags: PrelabelFlags, *, pool: Pool, run: RunOptions) -> list[CheckedModel]:
    """Return the teachers; a single one sees several views. Raises InputRefused for a model that is named twice."""
    samples = [] if run.dry_run else samples_of(_parts(pool, ids=set(pool.chosen)))
    is_single = len(flags.teacher) == 1
    has_views = flags.with_flips or flags.with_scales
    options = replace(
        run.predicting,
        with_flips=flags.with_flips or (is_single and not has_views),
        with_scales=is_single and (flags.with_scales or not has_views),
    )
    found: dict[tuple[str, str], CheckedModel] = {}
    for path in flags.teacher:
        model = identify(path)
        key = (model.sha256, model.card_sha256)
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
    chosen = set(pool.chosen)
    empty = {row["id"] for row in pool.joined.table.to_pylist() if row["persons"] == 0 and row["mask"] is None}
    tables, folders, warnings = [], [], list[str]()
    for teacher in teachers:
        out = staging / _identity(teacher, settings=settings, is_single=len(teachers) == 1)
        parts = [
            Part(rows=rows, place=ScoringPlace(dataset=folder, name=f"part-{index}", out=out, with_alpha=False))
            for index, (folder, rows) in enumerate(_parts(pool, ids=chosen | empty))
            if rows
        ]
        table = scored(parts, model=teacher, run=run, name=f"prelabel, {teacher.model.name}", work=out.name).table
        warnings += _alarms(teacher, table=of_ids(table, empty))
        table = of_ids(table, chosen)
        answers = [out / PREDICTIONS / f"{row['id']}.png" for row in table.to_pylist() if row["is_finite"]]
        warnings += refuse_blind(answers, model=Path(teacher.model.path), asked=table.num_rows, enough=ENOUGH)
        tables.append(table)
        folders.append(out)
    names = [teacher.model.name for teacher in teachers]
    return replace(_asked(pool, names=names, tables=tables, folders=folders), warnings=tuple(warnings))


def _identity(teacher: CheckedModel, *, settings: Mapping[str, Any], is_single: bool) -> str:
    """Return what the predictions of a teacher are known by: they depend on what is asked, not on what is kept."""
    asked = {name: value for name, value in settings.items() if name not in NOT_ASKED}
    told = [asked, is_single, teacher.model.sha256, teacher.model.card_sha256]
    return sha256_of(msgspec.json.encode(told, order="deterministic"))[:16]


def _asked(pool: Pool, *, names: Sequence[str], tables: Sequence[pa.Table], folders: Sequence[Path]) -> Asked:
    rows = [{row["id"]: row for row in table.to_pylist()} for table in tables]
    shown = [id_ for id_ in pool.chosen if any(id_ in found for found in rows)]
    answers = {
        id_: Answers(
            files=[
                folder / PREDICTIONS / f"{id_}.png" if id_ in found and found[id_]["is_finite"] else None
                for found, folder in zip(rows, folders, strict=True)
            ],
            views=rows[0].get(id_, {}).get("view_disagreement"),
        )
        for id_ in shown
    }
    chosen = set(pool.chosen)
    records = [
        (name, record)
        for name, folder in zip(names, folders, strict=True)
        for record in read_quarantine(folder)
        if record.record_id in chosen
    ]
    broken = _first_of_each(record for _, record in records if record.record_id not in answers)
    remarks = [
        msgspec.structs.replace(record, reason=f"{name}: {record.reason}")
        for name, record in records
        if record.record_id in answers
    ]
    return Asked(pool=replace(pool, broken=broken, remarks=remarks), answers=answers)


def _first_of_each(records: Iterable[QuarantineRecord]) -> list[QuarantineRecord]:
    found: dict[str | None, QuarantineRecord] = {}
    for record in records:
        found.setdefault(record.record_id, record)
    return list(found.values())


def _parts(pool: Pool, *, ids: set[str]) -> list[tuple[Path, list[Row]]]:
    """Return the rows of these ids, with the ids that they have in the result, by the folder of their dataset."""
    rows = of_ids(pool.joined.table, ids).to_pylist()
    return [
        (dataset.folder, [row for row in rows if pool.joined.owner[row["id"]] == number])
        for number, dataset in enumerate(pool.datasets)
    ]


def _alarms(teacher: CheckedModel, *, table: pa.Table) -> list[str]:
    """Say in how many images without persons a teacher sees somebody; raises InputRefused where that is all."""
    shares = [share for share in table["false_foreground"].to_pylist() if share is not None]
    alarms = sum(share > SEEN for share in shares)
    if alarms > MOST_ALARMS * len(shares):
        raise InputRefused(
            f"this teacher sees somebody in {alarms} of {len(shares)} images that show nobody",
            where=teacher.model.path,
            remedy="leave it out; or, where the images do show people, make their data set again, see "
            "`curate check-backgrounds`",
        )
    name = teacher.model.name
    return [f"{name} sees somebody in {alarms} of {len(shares)} images that show nobody"] if alarms else []
