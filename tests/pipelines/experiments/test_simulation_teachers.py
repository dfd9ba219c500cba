"""Teachers of a simulation: asked once, their labels in the place of the hidden ones, and nothing else of these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.dataset.dataset import read_dataset
from curation.errors import InputRefused
from curation.images.pixels import decode_image, decode_mask
from pipelines.experiments import simulation_teachers as teachers
from pipelines.experiments.simulation_plan import claimed, planned_simulation
from pipelines.experiments.simulation_pool import VISIBLE
from tests.models.data.discs import disc_dataset
from tests.models.tiny_onnx import CARD, write_tiny_onnx
from tests.pipelines.conftest import prepare_once
from tests.pipelines.experiments.test_simulate import NAMES, ROWS, RUN, flags, lightened

DARK = "t03"


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    """Draw discs, of which the teachers can say nothing of one."""
    disc_dataset(tmp_path / "discs", NAMES, rows=ROWS)
    lightened(tmp_path / "discs", but=DARK)
    return tmp_path / "discs"


@pytest.mark.usefixtures("checked_once")
def test_labels_of_teachers_are_their_mean_and_show_nothing_of_the_hidden_ones(
    discs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = (write_tiny_onnx(discs.parent / "red.onnx"), write_tiny_onnx(discs.parent / "less.onnx", lost=0.2))
    whole = planned_simulation(flags(discs, teacher=paths, select=("threshold", "diverse")), run=RUN)
    found = teachers.taught(whole, run=RUN)
    assert found is not None and found.labels is not None and found.features is not None
    rows = {row["id"]: row for row in read_dataset(found.labels).table.to_pylist()}
    assert list(rows) == NAMES[:8] and rows[DARK]["mask"] is None
    for name, row in rows.items():
        told = {column for column, value in row.items() if value is not None} - {*VISIBLE, "label_version"}
        assert told == (set() if name == DARK else {"mask", "mask_sha256", "person_area"})
        if name != DARK:
            image = decode_image((discs / "images" / f"{name}.png").read_bytes(), file=name)
            means = [
                prepare_once(path, options=RUN.predicting).predictor(threads=1).predict([image])[0] for path in paths
            ]
            seen = np.mean([np.round(255 * one) for one in means], axis=0) >= 127.5
            mask = decode_mask((found.labels / row["mask"]).read_bytes(), file=name) > 0
            assert np.mean(mask != seen) < 0.01  # but for what is rounded twice

    def asked_again(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(teachers, "own_features", asked_again)
    again = teachers.taught(whole, run=RUN)
    assert again is not None and np.array_equal(again.features, found.features)


@pytest.mark.usefixtures("checked_once")
def test_a_teacher_that_tells_nothing_or_is_named_twice_is_refused(discs: Path) -> None:
    blind = write_tiny_onnx(discs.parent / "blind.onnx", lost=1.0)
    whole = planned_simulation(flags(discs, teacher=(blind,), select=("threshold",)), run=RUN)
    with pytest.raises(InputRefused, match="sees nobody"):
        teachers.taught(whole, run=RUN)
    with pytest.raises(InputRefused, match="once more"):
        planned_simulation(flags(discs, teacher=(blind, blind)), run=RUN)


def test_answers_under_another_card_are_not_taken_for_those_of_this_one(discs: Path) -> None:
    teacher = write_tiny_onnx(discs.parent / "red.onnx")
    told = flags(discs, teacher=(teacher,), select=("threshold",))
    with claimed(planned_simulation(told, run=RUN), flags=told, run=RUN):
        pass
    write_tiny_onnx(teacher, card=CARD.replace("std: [255, 255, 255]", "std: [200, 200, 200]"))
    with (
        pytest.raises(InputRefused, match="other teachers"),
        claimed(planned_simulation(told, run=RUN), flags=told, run=RUN),
    ):
        pass
