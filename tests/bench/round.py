"""Two rounds of the loop on real data, and a third start with nothing new: how long each takes.

The second round has new backgrounds to lay people on, so that there is something to train for. What was made stays in
`bench/round`; delete it to measure anew.
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

import yaml

from tests.bench.measuring import REAL_DATA, ROOT, run_curate, say

FOLDER: Final = ROOT / "bench" / "round"
STAGE: Final[dict[str, Any]] = {"epochs": 60, "batch_size": 16, "learning_rate": 0.008}
CONFIG: Final[dict[str, Any]] = {
    "data": {"train": ["portraits", "persons"], "test": [{"data": "portraits", "split": "test"}]},
    "train": {"ema": 0.99, "stages": [STAGE]},
    "mine": {"second": [str(REAL_DATA / "models" / "sinet.onnx")]},
}
FUSED: Final = {"fusion_ratio": 0.3, "backgrounds": ["backgrounds"]}


def bench() -> None:
    """Print minutes and outcome of each round, and the seconds of a start with nothing new."""
    prepare()
    say("\nRounds on real data: 140 portraits and 78 COCO persons train, 40 portraits test, all are mined")
    for stage in (STAGE, STAGE | FUSED):
        (FOLDER / "loop.yaml").write_text(yaml.safe_dump(CONFIG | {"train": {"ema": 0.99, "stages": [stage]}}))
        told, seconds = timed()
        say(f"  round {told['round']}: {seconds / 60:.1f} minutes, {told['outcome']}: {told['sentence']}")
    told, seconds = timed()
    say(f"  again: {seconds:.1f} s, {told['outcome']}")


def timed() -> tuple[dict[str, Any], float]:
    """Start a round, and give what it says and how long it took."""
    begun = time.monotonic()
    told: dict[str, Any] = json.loads(run_curate("retrain", "--config", "loop.yaml", "--json", folder=FOLDER))
    return told, time.monotonic() - begun


def prepare() -> None:
    """Make the datasets from the real images, once."""
    assert REAL_DATA.is_dir(), f"there is no real data in {REAL_DATA}; set CURATE_REAL_DATA"
    FOLDER.mkdir(parents=True, exist_ok=True)
    portraits, coco = REAL_DATA / "data" / "portraits", REAL_DATA / "data" / "coco"
    given = ("--annotations", next((coco / "annotations").glob("instances*.json")), "--images", coco / "train2017")
    masks = ("--images", portraits / "images", "--masks", portraits / "masks", "--fit")
    if not (FOLDER / "portraits").exists():
        run_curate("pairs", *masks, "--out", "portraits", folder=FOLDER)
        run_curate("split", "portraits", "--val", "0.1", "--test", "0.2", folder=FOLDER)
    run_curate("coco-person", *given, "--out", "persons", folder=FOLDER)
    run_curate("coco-background", *given, "--out", "backgrounds", folder=FOLDER)
