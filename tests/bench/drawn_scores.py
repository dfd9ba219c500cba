"""Data sets of many drawn rows that models have scored: `mine`, say, goes on after the last prediction.

One sample of a thousand is hard, and has files; one of twenty came near the limit and was predicted twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import msgspec
import numpy as np
import pyarrow as pa

from curation.storage.claimed_folder import WORKSPACE
from curation.storage.files import link_or_copy, make_folder
from curation.storage.journal import Journal
from models.evaluation.score_files import ScoredImage
from models.evaluation.score_table import PREDICTIONS, Score
from models.metrics.summary import HARD_BELOW
from pipelines.command_line.options import RunOptions
from pipelines.evaluation.evaluate import EvaluateFlags, planned
from pipelines.evaluation.evaluate_models import BASELINE
from pipelines.labels.ask_teachers import answers_name
from pipelines.labels.prelabel_flags import PrelabelFlags
from pipelines.labels.prelabel_pool import planned as planned_labels
from pipelines.mining.flags import MineFlags
from pipelines.mining.plan import plan_mining
from tests.bench.drawn_manifests import DRAWN_AT_ONCE, drawn_rows, write_rows_of

HARD_EACH: Final = 1_000
NEAR_EACH: Final = 20
SIDE_PX: Final = 8


def write_to_mine(path: str, rows: str) -> int:
    """Write a data set of so many drawn rows, in ten parts as if they were ten million, of which the hard ones have an
    image and a mask; give the bytes of its manifest."""
    folder = Path(path)
    for name in ("images", "masks"):
        make_folder(folder / name)
    picture = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    files = {"images": ".jpg", "masks": ".png"}
    for name, ending in files.items():
        encoded = cv2.imencode(ending, picture if name == "images" else picture[:, :, 0])[1]
        (folder / f"{name}{ending}").write_bytes(encoded.tobytes())
    tables = _with_files(
        folder, rows=int(rows), digest=hashlib.sha256((folder / "images.jpg").read_bytes()).hexdigest()
    )
    return write_rows_of(folder, rows=tables, number=int(rows), part_rows=-(-int(rows) // 10))


def _with_files(folder: Path, *, rows: int, digest: str) -> Iterator[pa.Table]:
    start = 0
    for table in drawn_rows(rows):
        digests = table["sha256"].to_pylist()
        for at in range(-start % HARD_EACH, len(table), HARD_EACH):
            digests[at] = digest
            id_ = table["id"][at].as_py()
            link_or_copy(folder / "images.jpg", folder / "images" / f"{id_}.jpg")
            link_or_copy(folder / "masks.png", folder / "masks" / f"{id_}.png")
        start += len(table)
        yield table.set_column(table.column_names.index("sha256"), "sha256", pa.array(digests, pa.string()))


def write_scored(model: str, data: str, out: str) -> int:
    """Note for every row of a data set that the model has scored it, as `mine` does; give their number."""
    flags = MineFlags(model=Path(model), data=(Path(data),), out=Path(out))
    mining = plan_mining(flags, run=RunOptions(quiet=True))
    work = mining.work(mining.model, out=mining.staging)
    make_folder(work.folder)
    (part,) = mining.parts
    first, second = (
        Journal(work.folder / f"{part.place.name}{ending}.jsonl", kind=ScoredImage) for ending in ("", ".again")
    )
    for journal in (first, second):
        journal.start(run_id=work.run)
    for number, row in enumerate(part.rows):
        miou = _drawn_miou(number)
        first.add(_scored(row, miou=miou, name=part.place.name))
        if abs(miou - HARD_BELOW) < 0.05:
            second.add(_scored(row, miou=miou + 0.001, name=part.place.name))
    first.commit()
    second.commit()
    return len(part.rows)


def write_evaluated(model: str, data: str, out: str, badcases: str) -> int:
    """Note for every row of a data set that the model, which is its own baseline, has scored it, as `evaluate` does;
    give their number."""
    flags = EvaluateFlags(
        model=Path(model), data=(Path(data),), out=Path(out), baseline=Path(model), badcases=int(badcases)
    )
    evaluation = planned(flags, run=RunOptions(quiet=True))
    (one,) = evaluation.sets
    work = flags.out / WORKSPACE / evaluation.id
    for folder, places in ((work, flags.out), (work / BASELINE, flags.out / BASELINE)):
        make_folder(folder)
        make_folder(places / PREDICTIONS)
        journal = Journal(folder / f"{one.name}.jsonl", kind=ScoredImage)
        journal.start(run_id=evaluation.id)
        for number, row in enumerate(one.rows):
            journal.add(_scored(row, miou=_drawn_miou(number), name=one.name))
            if number % HARD_EACH == 0:  # it may be drawn
                link_or_copy(Path(data) / "masks.png", places / PREDICTIONS / f"{row['id']}.png")
        journal.commit()
    return len(one.rows)


def write_answered(model: str, data: str, out: str) -> int:
    """Note for every row of a data set that a teacher has answered, as `prelabel` does, and put its answer, a person in
    the left half; give their number."""
    flags = PrelabelFlags(pool=(Path(data),), teacher=(Path(model),), out=Path(out))
    work = planned_labels(flags, run=RunOptions(quiet=True))
    folder = work.staging / answers_name(work.teachers[0], settings=work.settings, is_single=True)
    for name in ("work", PREDICTIONS):
        make_folder(folder / name)
    picture = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    picture[:, : SIDE_PX // 2] = 255
    encoded = cv2.imencode(".png", picture)[1].tobytes()
    journal = Journal(folder / "work" / "part-0.jsonl", kind=ScoredImage)
    journal.start(run_id=folder.name)
    for number, row in enumerate(work.pool.chosen):
        if number % DRAWN_AT_ONCE == 0:  # a file has 65,000 names at most
            answer = folder / f"answer-{number}.png"
            answer.write_bytes(encoded)
        link_or_copy(answer, folder / PREDICTIONS / f"{row['id']}.png")
        score = msgspec.structs.replace(_scored(row, miou=0.5, name="part-0").score, view_disagreement=0.01)
        journal.add(ScoredImage(id=row["id"], score=score))
    journal.commit()
    return len(work.pool.chosen)


def _drawn_miou(number: int) -> float:
    return 0.4 if number % HARD_EACH == 0 else HARD_BELOW + 0.01 if number % NEAR_EACH == 0 else 0.99


def _scored(row: Mapping[str, Any], *, miou: float, name: str) -> ScoredImage:
    manifest = {column: row[column] for column in ("persons", "source", "split", "label_version", "group")}
    numbers = ("iou_person", "iou_background", "boundary_iou", "uncertainty", "uncertainty_boundary", "label_quality")
    score = Score(
        id=row["id"],
        dataset=name,
        miou=miou,
        **dict.fromkeys(numbers, miou - 0.001),
        specks=0.0,
        is_finite=True,
        tp=1000,
        fp=10,
        fn=10,
        tn=9000,
        width=SIDE_PX,
        height=SIDE_PX,
        person_area=row["person_area"],
        hole_area=0.0,
        touches_border=True,
        **manifest,
    )
    return ScoredImage(id=row["id"], score=score, observed={"contradicted": 0.1, "interior_error": 0.01})
