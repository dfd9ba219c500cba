"""`curate cutout -`: an image from stdin to stdout; and one of several persons."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import cv2
import numpy as np
import pytest

from curation.errors import ConfigurationProblem, InputRefused
from curation.images.pixels import encode_image
from pipelines.command_line.options import Result, RunOptions
from pipelines.photos.cutout import CutoutFlags, cutout
from tests.models.tiny_onnx import write_tiny_onnx
from tests.places import REPOSITORY


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_onnx(tmp_path_factory.mktemp("model") / "tiny.onnx")


def two() -> bytes:
    """Return a photograph of a small red person at the left and a large one at the right."""
    picture = np.full((240, 320, 3), (0, 90, 120), np.uint8)
    cv2.ellipse(picture, (70, 170), (30, 60), 0, 0, 360, (255, 120, 100), -1)
    cv2.ellipse(picture, (230, 130), (50, 95), 0, 0, 360, (255, 120, 100), -1)
    return encode_image(picture)


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes, model: Path, **options: Any) -> Result:
    stdin = SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: options.pop("is_terminal", False))
    monkeypatch.setattr("sys.stdin", stdin)
    run = {name: options.pop(name) for name in ("json", "dry_run") if name in options}
    own = {name: value for name, value in options.items() if name != "is_terminal"}
    return cutout(CutoutFlags(images=(Path("-"),), model=model, **own), run=RunOptions(workers=0, quiet=True, **run))


def test_a_pipe_carries_the_picture_alone_and_the_summary_goes_to_stderr(model: Path, tmp_path: Path) -> None:
    (tmp_path / "two.png").write_bytes(two())
    command = [Path(sys.executable).with_name("curate"), "cutout", "-", "--model", model, "--workers", "0"]
    done = subprocess.run(command, cwd=REPOSITORY, input=two(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    flags_of_file = CutoutFlags(images=(tmp_path / "two.png",), model=model, out=tmp_path / "cut.png")
    cutout(flags_of_file, run=RunOptions(workers=0, quiet=True))
    assert done.stdout == (tmp_path / "cut.png").read_bytes()
    assert "standard input: cut out, 320 x 240" in done.stderr.decode()


def test_a_new_background_makes_a_jpeg_and_a_person_is_chosen(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = piped(monkeypatch, two(), model, background="white", person="1").output
    assert found is not None and found.startswith(b"\xff\xd8")
    columns = cv2.imdecode(np.frombuffer(found, np.uint8), cv2.IMREAD_COLOR)[170]
    assert columns[70, 1] < 180 and columns[230].min() > 245


def test_persons_are_chosen_by_number_from_the_left_and_by_size(model: Path, tmp_path: Path) -> None:
    (tmp_path / "two.png").write_bytes(two())
    kept = {}
    for person in ("1", "2", "largest", "all", "3"):
        flags = CutoutFlags(images=(tmp_path / "two.png",), model=model, out=tmp_path / person, person=person)
        result = cutout(flags, run=RunOptions(workers=0, quiet=True))
        if person == "3":
            assert result.exit_code == 3 and "there are 2 persons" in result.summary
        else:
            alpha = cv2.imread(str(tmp_path / person / "two.png"), cv2.IMREAD_UNCHANGED)[..., 3]
            kept[person] = (alpha[170, 70] > 200, alpha[130, 230] > 200)
    assert kept == {"1": (True, False), "2": (False, True), "largest": (False, True), "all": (True, True)}


def test_what_cannot_be_piped_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationProblem, match="--json and - both want stdout"):
        piped(monkeypatch, two(), model, json=True)
    with pytest.raises(ConfigurationProblem, match="which is a terminal"):
        piped(monkeypatch, two(), model, is_terminal=True)
    with pytest.raises(InputRefused, match="nothing came in"):
        piped(monkeypatch, b"", model)
    with pytest.raises(InputRefused, match="standard input"):
        piped(monkeypatch, b"no image at all", model)
    with pytest.raises(InputRefused, match="finds no person"):
        piped(monkeypatch, encode_image(np.full((60, 60, 3), (0, 90, 120), np.uint8)), model)
    assert piped(monkeypatch, two(), model, dry_run=True).output is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"images": (Path("-"), Path("a.jpg"))}, "reads one image"),
        ({"images": (Path("-"),), "out": Path("x.png")}, "leave out --out"),
        ({"images": (Path("a.jpg"),), "person": "two"}, "none of largest, all, and a number"),
        ({"images": (Path("a.jpg"),), "person": "0"}, "the first person from the left is 1"),
    ],
)
def test_contradicting_flags_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        CutoutFlags(model=Path("m.onnx"), **given)
