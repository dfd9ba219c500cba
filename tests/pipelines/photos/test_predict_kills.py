"""`curate predict` killed at any moment: run again, it ends with the same bytes as a run that was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drawn_videos import frame_with_person, write_video
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.commands import DONE, count_changes, difference, run, spread
from tests.pipelines.photos.test_kills import KILLED, Case, anew, go_on, kept, refuse_half_files
from tests.pipelines.photos.test_photographs import photo, saved


def predicted(folder: Path) -> list[object]:
    write_video(folder / "in" / "a.mp4", [frame_with_person(number)[0] for number in range(100)])
    saved(folder / "in" / "b.png", photo())
    model = write_tiny_onnx(folder / "red.onnx")
    given = ["predict", folder / "in", "--model", model, "--out", folder / "out"]
    return [*given, "--as", "mask", "--as", "overlay", "--smooth", "--workers", 1]


@pytest.mark.nightly
@pytest.mark.parametrize(("process", "number"), [("main", 6), ("worker", 8)])
def test_after_a_kill_the_next_run_ends_with_the_same_bytes(process: str, number: int, tmp_path: Path) -> None:
    case, folder = Case(draw=predicted), tmp_path / "T"
    command = anew(folder, case=case)
    changes = count_changes(command, process=process, below=folder, counts=tmp_path / process)
    whole, codes = kept(folder, case=case), []
    for point in spread(changes, number=number):
        command = anew(folder, case=case)
        codes.append(run(*command, plan=f"{process}:kill:{point}", below=folder).returncode)
        refuse_half_files(folder)
        assert go_on(command) in DONE
        assert difference(kept(folder, case=case), whole) == [], f"{process}, change {point} of {changes}"
        assert not (folder / "out" / ".curate").exists()
    assert codes.count(KILLED) >= len(codes) - 1
