"""Every benchmark still runs: on little, once, on drawn data, as its command does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.bench.__main__ import benches
from tests.places import REAL_DATA, REPOSITORY

SHORT: Final = {
    "start": "curate --help",
    "coco": "same decision on 200 of 200 images",
    "aifenge": "times faster",
    "pixels": "decoding costs",
    "memory": "KB a sample",
    "convert": "webdataset",
    "matting": "usual band around the mask",
    "mattes": "matted, with --heads",
    "alpha": "modnet:",
    "duplicates": "the index finds",
    "metrics": "matting errors",
    "training": "images trained a second",
    "fusion": "every pixel rounded exactly: True",
    "kills": "0 with other bytes",
    "scale": "| 1,000 |",
    "shards": "reading takes",
    "costs": "| price of the storage, a month |",
    "soft": "MSE of alpha",
    "video": "frame times kept True, sound kept True",
}
"""By name what it must say; the figures of a short run mean nothing."""
AT_NIGHT: Final = ("alpha", "convert", "fusion", "scale", "soft", "training")
"""Those that take longer than 15 seconds of processor even in short; their parts have tests of their own."""
ON_REAL_DATA: Final = {"portraits": "(held out", "frames": "orientation 6: set aside 2 | taken 2"}
LEFT_OUT: Final = {
    "id_photos": "needs EG1800, and the models of faces from the package index",
    "lights": "needs EG1800 and CelebAMask; tests/real/test_face_light_real.py does the same on 14 portraits",
    "cutouts": "draws sheets of real photographs to look at",
    "cluster": "starts two clusters; tests/pipelines/test_cluster_kills.py kills one in short",
    "prediction": "starts eight processes that load torch or OpenVINO, each for some seconds",
    "browse": "needs the database of FiftyOne, twice; tests/real/test_browse_real.py does the same",
    "mining": "needs SINet, and 200 portraits made into a dataset",
    "backgrounds": "needs four published models and COCO",
    "sheets": "fuses and places real people for some minutes, to be looked at",
    "seams": "fuses and measures hundreds of real photographs for some minutes",
    "composed": "needs portraits, EG1800, COCO and a commit of before, and trains for half an hour",
    "heads": "trains and measures as soft does, of which there is a short run",
    "tune": "starts five processes that load torch; tests/models/training/transfer/test_tune.py tunes in one",
    "best": "needs portraits and COCO, and trains for an hour",
    "ablation": "needs portraits and COCO, and trains for an hour",
    "prior": "needs portraits and the models of faces from the package index, and trains for half an hour",
    "relabelling": "needs portraits and COCO, and trains for half an hour",
    "deep_verdicts": "needs EG1800, portraits and three published models",
    "prelabel": "needs EG1800, portraits and two published models",
    "distillation": "needs portraits, COCO, street fashion and a published model, and trains for hours",
    "evening": "needs portraits, COCO, EG1800, street fashion and two published models, and trains for an hour",
    "correcting": "needs portraits, EG1800, street fashion and a published model, and trains for half an hour",
    "selection": "needs portraits, EG1800, street fashion and a published model, and trains for hours",
    "verdicts": "needs portraits and two published models, and trains for an hour",
    "round": "needs portraits and SINet; with one epoch it still takes two minutes",
    "labels": "needs Label Studio; tests/real/test_label_studio_real.py pushes and pulls with one",
    "schedule": "lasts a minute at least; tests/real/test_schedule_real.py runs a service",
}


def test_each_benchmark_has_a_short_run_or_a_reason() -> None:
    assert sorted([*SHORT, *ON_REAL_DATA, *LEFT_OUT]) == sorted(benches(Path()))


def test_those_that_are_left_out_can_at_least_be_imported() -> None:
    """What they import may have moved; the trainings are no functions that could run without their data."""
    files = [file.stem for file in Path(__file__).parent.glob("*.py") if not file.stem.startswith(("__", "test_"))]
    code = f"import importlib; [importlib.import_module(f'tests.bench.{{name}}') for name in {files}]"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("name", "told"),
    [pytest.param(*run, marks=pytest.mark.nightly if run[0] in AT_NIGHT else ()) for run in SHORT.items()],
)
def test_a_short_run_ends_with_its_figures(name: str, told: str, tmp_path: Path) -> None:
    assert told in ran(name, data=tmp_path / "none", folder=tmp_path)


@pytest.mark.real
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="no real data in $CURATE_REAL_DATA")
@pytest.mark.parametrize(("name", "told"), ON_REAL_DATA.items())
def test_a_run_on_real_data_ends_with_its_figures(name: str, told: str, tmp_path: Path) -> None:
    assert told in ran(name, data=REAL_DATA, folder=tmp_path)


def test_a_benchmark_that_is_not_there_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench", "metric"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "'metrics'" in done.stderr


def ran(name: str, *, data: Path, folder: Path) -> str:
    """Run a benchmark with its files below `folder`, and return what it says."""
    environment = os.environ | {"CURATE_BENCH_SHORT": "1", "CURATE_REAL_DATA": str(data), "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "tests.bench", name]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
