"""What machines are asked: which paths a job has, and which programs there are; also one without this tool answers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.building.engine import Job
from curation.building.local_engine import LOCAL
from curation.cluster.fitness import asked, differing, question
from curation.cluster.ray_engine import RayEngine


def opened(threads: int, *, folder: Path, model: Path) -> Any:
    raise AssertionError("nothing is opened here")


@pytest.fixture
def asking(tmp_path: Path) -> Any:
    for name in ("data/images", "data/more"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data/images/a.png").write_bytes(b"image")
    (tmp_path / "data/more/b.png").write_bytes(b"image")
    (tmp_path / "model.onnx").write_bytes(b"model")
    job: Job[Path, Any] = Job(
        open=partial(opened, folder=tmp_path / "data/images", model=tmp_path / "model.onnx"), workers=1, first_s=1.0
    )
    return question(job, [tmp_path / "data/more/b.png"], spool=None)


def test_the_same_machine_is_fit(asking: Any) -> None:
    answer = asked()(**asking.values)
    assert answer["lacks"] == []
    assert answer["programs"]["numpy"] == np.__version__
    assert differing(answer["programs"], theirs=asked()(**asking.values)["programs"]) == []


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        (lambda root: (root / "data/images/a.png").unlink(), "data/images"),
        (lambda root: (root / "data/more").rename(root / "moved"), "data/more"),
        (lambda root: (root / "model.onnx").write_bytes(b"another"), "model.onnx"),
        (lambda root: (root / "data").rename(root / "moved"), "data/images"),
    ],
)
def test_what_is_not_there_as_it_is_here_is_named(asking: Any, tmp_path: Path, change: Any, lacks: str) -> None:
    change(tmp_path)
    assert str(tmp_path / lacks) in asked()(**asking.values)["lacks"]


def test_a_machine_without_this_tool_answers_that(asking: Any, tmp_path: Path) -> None:
    """The function travels as its code; the interpreter here is one that cannot import this tool."""
    cloudpickle = pytest.importorskip("ray.cloudpickle", exc_type=ImportError)
    (tmp_path / "sent").write_bytes(cloudpickle.dumps((asked(), asking.values)))
    code = (
        "import sys; sys.path[:] = [one for one in sys.path if 'site-packages' in one or 'lib/python' in one]\n"
        f"import pickle; function, values = pickle.load(open({str(tmp_path / 'sent')!r}, 'rb'))\n"
        "sys.meta_path[:] = [one for one in sys.meta_path if 'editable' not in type(one).__module__ + repr(one)]\n"
        "assert 'curation' not in sys.modules; print(function(**values)['programs']['the code of curate'])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=tmp_path, env={})
    assert done.stdout.strip() == "not installed", done.stderr


def test_an_engine_travels_as_the_local_one() -> None:
    engine = RayEngine(tell=lambda _: None)
    assert pickle.loads(pickle.dumps(engine)) == LOCAL
