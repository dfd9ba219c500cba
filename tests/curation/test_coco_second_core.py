"""The second process decides nothing of its own: a plan is the same with it, however it is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from curation.coco import second_core as module
from curation.coco.second_core import HERE, second_core
from curation.sample_data import write_coco_sample

REPOSITORY = Path(__file__).parents[2]
PLAN = """
import sys, threading
from dataclasses import replace
from pathlib import Path
from curation.coco import PersonSelection, plan_persons, second_core
asked = threading.Event()
if sys.argv[1] == "spawn":
    threading.Thread(target=asked.wait).start()
second_core.LARGE_FILE_BYTES = int(sys.argv[2])
contexts, get_context = [], second_core.get_context
second_core.get_context = lambda method: contexts.append(method) or get_context(method)
annotations, images = map(Path, sys.argv[3:])
if __name__ == "__main__":
    plan = plan_persons(PersonSelection(annotations=(annotations,), images=(images,)), is_preview=True)
    print(contexts, [item.id for item in plan.items], plan.filtered, plan.quarantined, plan.records)
    asked.set()
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_coco_sample(tmp_path_factory.mktemp("coco"), images=24, seed=5)


def planned(sample: tuple[Path, Path], *, method: str, large: int) -> str:
    """Plan in a Python of its own, since this one has threads; give what was decided, after the start methods."""
    done = subprocess.run(
        [sys.executable, "-c", PLAN, method, str(large), *map(str, sample)],
        cwd=REPOSITORY,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core has no second")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_second_process_changes_no_decision(sample: tuple[Path, Path], method: str) -> None:
    alone = planned(sample, method=method, large=1 << 60)
    assert alone.startswith("[] ['")
    assert planned(sample, method=method, large=0) == alone.replace("[]", f"['{method}']", 1)


def test_small_files_are_read_by_this_process(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({}))
    with second_core([path, tmp_path / "missing.json"]) as beside:
        assert beside is HERE
        assert beside.submit(os.getpid).result() == os.getpid()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core has no second")
def test_the_second_process_ends_with_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE_FILE_BYTES", 0)
    with second_core([]) as beside:
        number = beside.submit(os.getpid).result()
        assert number != os.getpid()
    assert not Path(f"/proc/{number}").exists()
