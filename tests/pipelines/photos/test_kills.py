"""Killed at any moment, commands that compose, cut out and compare pictures end, run again, with the same bytes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from curation.dataset.dataset import read_dataset
from curation.errors import InputRefused
from curation.images.pixels import decode_image
from pipelines.command_line.cli import curate
from tests.curation.fusion.fusion_data import grounds, persons
from tests.drawn_pictures import Drawn, jpeg, picture, png, write_pictures
from tests.models.drawn import H, Sample, W, drawn_dataset, person
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.commands import DONE, count_changes, difference, run, spread, tree
from tests.pipelines.photos.test_idphoto import faces_of_portraits, portrait
from tests.pipelines.photos.test_photographs import photo, saved

KILLED = -9
HIDDEN = ".curate"
"""Where work is kept between runs; what is in it depends on where a run was stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A command, whose input is drawn into a folder; what has to be the same; and where it is killed."""

    draw: Callable[[Path], list[object]]
    kept: tuple[str, ...] = ("",)
    points: dict[str, int] = field(default_factory=lambda: {"main": 5})


def fused(folder: Path) -> list[object]:
    persons(folder / "p", list("abcdef"))
    grounds(folder / "g", list("xyz"))
    given = ["--foregrounds", folder / "p", "--backgrounds", folder / "g", "--out", folder / "out" / "f"]
    return ["fuse", *given, "--keep-edges", "--workers", 1]


def matted(folder: Path) -> list[object]:
    persons(folder / "p", list("abcdef"))
    return ["matte", folder / "p", "--from-masks", "--cutouts", "--out", folder / "out" / "m", "--workers", 1]


def compared(folder: Path) -> list[object]:
    copies = [Drawn(id=f"{n}", data=png(picture(n)), split="train") for n in range(4)]
    others = [Drawn(id=f"{n}", data=jpeg(picture(n), quality=60), split="test") for n in range(2)]
    write_pictures(folder / "one", *copies)
    write_pictures(folder / "two", *others, Drawn(id="x", data=png(picture(3), level=9), split="train"))
    return ["duplicates", folder / "one", folder / "two", "--out", folder / "out", "--workers", 0]


def mended(folder: Path) -> list[object]:
    return [*compared(folder), "--fix"]


def checked(folder: Path) -> list[object]:
    seen = [np.zeros((H, W), np.uint8), person(left=8, right=14, top=0), person(left=0, right=15, top=0)]
    drawn_dataset(folder / "b", [Sample(id=f"{n}", prediction=seen[n % 3], mask=None) for n in range(6)])
    model = write_tiny_onnx(folder / "red.onnx")
    return ["check-backgrounds", folder / "b", "--model", model, "--out", folder / "out", "--workers", 0]


def set_aside(folder: Path) -> list[object]:
    return [*checked(folder), "--quarantine"]


def cut(folder: Path) -> list[object]:
    for name in "abc":
        saved(folder / "in" / f"{name}.png", photo())
    model = write_tiny_onnx(folder / "red.onnx")
    return ["cutout", folder / "in", "--model", model, "--out", folder / "out", "--workers", 0]


def id_photos(folder: Path) -> list[object]:
    command = cut(folder)
    for name in "abc":
        saved(folder / "in" / f"{name}.png", portrait())
    faces = faces_of_portraits(folder / "faces.onnx")
    return ["idphoto", *command[1:], "--sheet", "4x6in", "--check", "--faces", faces, "--edge", "none"]


CASES = {
    "fuse": Case(draw=fused, points={"main": 4, "worker": 4}),
    "matte": Case(draw=matted, points={"main": 3, "worker": 4}),
    "duplicates": Case(draw=compared),
    # what the report says of splits depends on what they are when it is written; the datasets have to be the same
    "duplicates --fix": Case(draw=mended, kept=("one/", "two/"), points={"main": 8}),
    "check-backgrounds": Case(draw=checked, points={"main": 4}),
    "check-backgrounds --quarantine": Case(draw=set_aside, kept=("b/",), points={"main": 6}),
    "cutout": Case(draw=cut, points={"main": 4}),
    "idphoto": Case(draw=id_photos, points={"main": 4}),
}

AT_NIGHT = {"matte", "check-backgrounds --quarantine", "cutout", "idphoto"}
"""Their files are made by the same engine, or the same way, as those of a command that every run of the tests kills."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.nightly] if name in AT_NIGHT else []) for name in CASES]
)
def test_after_a_kill_the_next_run_ends_with_the_same_bytes(name: str, tmp_path: Path) -> None:
    case, folder = CASES[name], tmp_path / "T"  # one folder for all runs: reports name it
    changes = {}
    for process in case.points:
        command = anew(folder, case=case)
        changes[process] = count_changes(command, process=process, below=folder, counts=tmp_path / process)
    whole = kept(folder, case=case)
    codes = []
    for process, number in case.points.items():
        for point in spread(changes[process], number=number):
            command = anew(folder, case=case)
            codes.append(run(*command, plan=f"{process}:kill:{point}", below=folder).returncode)
            refuse_half_files(folder)
            assert go_on(command) in DONE
            assert difference(kept(folder, case=case), whole) == [], f"{process}, change {point} of {changes[process]}"
    # a quick run may end before the last point of a slow one
    assert codes.count(KILLED) >= len(codes) - 2


def go_on(command: list[object]) -> int:
    """Run a command plainly in this process (a new one takes seconds to start); give its exit code."""
    code: int = curate.main([*map(str, command), "--workers", "0", "--quiet"], standalone_mode=False)
    return code


def anew(folder: Path, *, case: Case) -> list[object]:
    """Draw the input again, and nothing else is there; give the command."""
    if folder.exists():
        shutil.rmtree(folder)
    return case.draw(folder)


def kept(folder: Path, *, case: Case) -> dict[str, bytes]:
    """Return the files that have to be the same."""
    files = tree(folder)
    return {name: files[name] for name in files if name.startswith(case.kept) and HIDDEN not in Path(name).parts}


def refuse_half_files(folder: Path) -> None:
    """Whatever has a name of its own after a kill is whole."""
    for path in folder.rglob("*"):
        if path.suffix in {".png", ".jpg"} and not path.name.startswith("."):
            decode_image(path.read_bytes(), file=path.name)
    for path in folder.glob("*/"):
        try:
            dataset = read_dataset(path)
        except InputRefused:
            continue
        assert all(dataset.path(name).stat().st_size > 0 for name in dataset.table["image"].to_pylist())
