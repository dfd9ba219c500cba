"""`curate mine --teacher`: which labels are wrong, how probably, and what is said of teachers that tell nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.dataset.dataset import read_dataset
from curation.errors import InputRefused
from models.evaluation.score_table import read_scores
from pipelines.command_line.options import Result, RunOptions
from pipelines.mining.flags import MineFlags
from pipelines.mining.mine import mine
from tests.models.drawn import Sample, drawn_dataset, person
from tests.models.tiny_onnx import CARD, write_tiny_onnx

pytestmark = pytest.mark.usefixtures("checked_once")


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    return write_tiny_onnx(tmp_path / "student.onnx", lost=0.2), write_tiny_onnx(tmp_path / "teacher.onnx")


def run(models: tuple[Path, Path], data: Path, *, out: Path, **flags: Any) -> Result:
    options = RunOptions(workers=0, quiet=True)
    return mine(MineFlags(model=models[0], teacher=(models[1],), data=(data,), out=out, **flags), run=options)


def seen(number: int) -> np.ndarray:
    return person(left=6 + number % 5, right=18 + number % 7, top=8 + number % 6)


def test_the_labels_that_are_wrong_are_found_with_their_kind_and_their_share(
    tmp_path: Path, models: tuple[Path, Path]
) -> None:
    wrong = {3: np.roll(seen(3), 9, axis=1), 11: np.roll(seen(11), -6, axis=1), 20: seen(20), 31: seen(31)}
    wrong[20][:26] = wrong[31][:24] = 0
    samples = [Sample(id=f"{n:02}", prediction=seen(n), mask=wrong.get(n, seen(n))) for n in range(48)]
    data = drawn_dataset(tmp_path / "d", samples).folder
    result = run(models, data, out=tmp_path / "doubted", precision="fp32")
    rows = {row["id"]: row for row in read_scores(tmp_path / "doubted").to_pylist()}
    assert {int(id_) for id_, row in rows.items() if row["verdict"] == "label_error"} == set(wrong)
    assert all((row["label_error_probability"] >= 0.5) == (int(id_) in wrong) for id_, row in rows.items())
    assert (rows["11"]["error_kind"], rows["20"]["error_kind"]) == ("shifted", "missing_part")
    assert rows["00"]["error_kind"] is None
    notes = read_dataset(tmp_path / "doubted").card.notes
    assert notes["wrong_labels"] == pytest.approx(4 / 48, abs=0.09) and notes["teachers"][0]["name"] == "teacher"
    assert "of the labels are wrong" in str(result.summary) and not result.warnings


def test_a_teacher_that_sees_nobody_or_is_the_mined_model_is_refused(tmp_path: Path, models: tuple[Path, Path]) -> None:
    data = drawn_dataset(tmp_path / "d", [Sample(id="a", prediction=seen(0), mask=seen(0))]).folder
    with pytest.raises(InputRefused, match=r"student\.onnx once more"):
        run((models[0], models[0]), data, out=tmp_path / "same")
    blind = write_tiny_onnx(tmp_path / "blind.onnx", lost=0.9)
    with pytest.raises(InputRefused, match="sees nobody in any of 1 images"):
        run((models[0], blind), data, out=tmp_path / "blind")


def test_a_teacher_that_disagrees_with_all_labels_and_too_few_labels_are_told(
    tmp_path: Path, models: tuple[Path, Path]
) -> None:
    samples = [Sample(id=str(n), prediction=seen(n), mask=255 - seen(n)) for n in range(3)]
    data = drawn_dataset(tmp_path / "d", samples).folder
    told = run(models, data, out=tmp_path / "out").warnings
    assert any("teacher agrees with few labels (median mIoU 0.000)" in one for one in told)
    assert any("fewer than 40 labels" in one for one in told)


def test_the_mined_model_behind_another_card_and_labels_of_the_teacher_itself_are_told(
    tmp_path: Path, models: tuple[Path, Path]
) -> None:
    samples = [
        Sample(id=str(n), prediction=seen(n), mask=seen(n), row={"label_source": "sinet + teacher" if n < 2 else None})
        for n in range(3)
    ]
    data = drawn_dataset(tmp_path / "d", samples).folder
    again = write_tiny_onnx(tmp_path / "again.onnx", lost=0.2, card=f"{CARD}license: MIT\n")
    with pytest.raises(InputRefused, match=r"student\.onnx once more"):
        run((models[0], again), data, out=tmp_path / "same")
    told = run(models, data, out=tmp_path / "out").warnings
    assert "2 labels were made by teacher itself (label_source): it finds nothing wrong with them" in told
