"""Two rounds of the loop on real data with wrong labels, the second with a control, and a start with nothing new.

A fifth of the labels that train are made wrong. What the first round finds, and the loop would send to a person, is
answered by the true masks, and comes into the dataset as a pull brings it. The second round tells what that brought:
its challenger against the champion, and against a control that trains on the labels as they were. What was made stays
in `bench/round` until the next run.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from curation.dataset.dataset import Dataset, read_dataset
from curation.images.pixels import Mask, decode_mask, encode_mask
from curation.storage.files import make_folder
from labeling.findings import findings_of
from labeling.label_tools.label_studio.project.ledger import FOLDER as LEDGER
from labeling.label_tools.label_studio.project.ledger import STAGED, Came
from labeling.label_tools.label_studio.project.tasks import uid_of
from labeling.label_tools.label_studio.pull.apply import Applied, apply_labels
from labeling.selection.next_samples import next_samples
from models.metrics.comparison import Comparison
from reports.rounds.round_record import Round, read_round
from tests.bench.measuring import run_curate, say, sized
from tests.bench.relabelling import given_labels
from tests.places import REAL_DATA, REPOSITORY

FOLDER: Final = REPOSITORY / "bench" / "round"
BUDGET: Final = 50
"""So many labels a person looks at; it is the default of the loop."""
IDENTITY: Final = "0" * 12
"""Stands for the project in Label Studio from which the answers come."""
EPOCHS: Final = {1: sized(40, short=1), 2: sized(15, short=1)}
"""By round: the second begins with the champion."""
CONFIG: Final[dict[str, Any]] = {
    "control": True,
    "data": {"train": ["given"], "test": [{"data": "truth", "split": "test"}]},
    "mine": {"second": [str(REAL_DATA / "models" / "sinet.onnx")]},
}


def bench() -> None:
    """Print minutes and outcome of each round, what the new labels brought, and the seconds of a start for nothing."""
    assert REAL_DATA.is_dir(), f"there is no real data in {REAL_DATA}; set CURATE_REAL_DATA"
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir(parents=True)
    wrong = given_labels(FOLDER, val=0.1)
    splits = read_dataset(FOLDER / "given").table["split"].to_pylist()
    say(f"\nRounds on real portraits: {splits.count('train')} train, {len(wrong)} of them with a wrong label; "
        f"{splits.count('test')} test")  # fmt: skip
    told_round(1)
    applied, found = answered(wrong)
    say(f"  a person looked at {applied.written + applied.confirmed} labels: {applied.written} corrected, "
        f"{found} of them planted, {applied.confirmed} right as they were")  # fmt: skip
    told = told_round(2)
    assert told.decision is not None and told.control is not None and told.control.gain is not None
    say(f"  challenger against champion: {_interval(told.decision.overall)}")
    say(f"  challenger against control, which is what the labels bring: {_interval(told.control.gain)}")
    page = (FOLDER / "loop" / "rounds" / "0002" / "report.html").read_text()
    for name, pattern in (("headline", r'<div class="decision.*?</p>'), ("labels", r"<h2>Labels</h2>.*?</section>")):
        (shown,) = re.findall(pattern, page, re.DOTALL)
        say(f"  the report's {name}: {_plain(shown)}")
    told_round(None)


def told_round(number: int | None) -> Round:
    """Start a round, print what it says and how long it took, and return its record; None where nothing is new."""
    stage = {"epochs": EPOCHS[number or 2], "batch_size": 16, "learning_rate": 0.008}
    (FOLDER / "loop.yaml").write_text(yaml.safe_dump(CONFIG | {"train": {"ema": 0.99, "stages": [stage]}}))
    begun = time.monotonic()
    said = json.loads(run_curate("retrain", "--config", "loop.yaml", "--json", folder=FOLDER))
    seconds = time.monotonic() - begun
    name = "again" if number is None else f"round {number}"
    say(f"  {name}: {seconds / 60:.1f} minutes, {said['outcome']}: {said['sentence']}")
    return read_round(FOLDER / "loop" / "rounds" / f"{number or 2:04}")


def answered(wrong: set[str]) -> tuple[Applied, int]:
    """Answer what the loop would send after the first round, as a pull does; return what came of it, and how many of
    the labels that were made wrong are among them."""
    given, truth = read_dataset(FOLDER / "given"), read_dataset(FOLDER / "truth")
    true = {row["id"]: truth.folder / row["mask"] for row in truth.table.to_pylist()}
    mined = read_dataset(FOLDER / "loop" / "rounds" / "0001" / "hard-cases")
    chosen = next_samples(
        mined.table.to_pylist(),
        findings=findings_of(mined, scores=None),
        strategy="verdict",
        budget=BUDGET,
        rng=np.random.default_rng(0),
    )
    place = given.folder / LEDGER / f"{STAGED}-{IDENTITY}"
    make_folder(place.parent)
    make_folder(place)
    ids = {row["id"]: row["mined_id"] for row in chosen}
    came = []
    for number, row in enumerate(chosen, start=1):
        (place / f"{number}.png").write_bytes(encode_mask(_read(true[row["mined_id"]])))
        came.append(_came(row, number=number))
    applied = apply_labels(given.folder, came=came, rows_by_uid=_by_uid(given), identity=IDENTITY)
    return applied, len(wrong & set(ids.values()))


def _came(row: dict[str, Any], *, number: int) -> Came:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Came(
        id=str(number),
        uid=uid_of(row),
        sample_id=row["mined_id"],
        task=number,
        annotation=number,
        annotated_at=now,
        staged=f"{number}.png",
    )


def _by_uid(dataset: Dataset) -> dict[str, str]:
    return {uid_of(row): row["id"] for row in dataset.table.to_pylist()}


def _read(file: Path) -> Mask:
    return decode_mask(file.read_bytes(), file=str(file))


def _interval(found: Comparison) -> str:
    return f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f}) on {found.images} images"


def _plain(markup: str) -> str:
    """Return the text of a part of a page, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())
