from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.dataset.dataset import Dataset, read_quarantine
from curation.errors import InputRefused
from models.evaluation.score_dataset import MARGIN, SAFETY, DatasetScores, ScoreOptions, Work, score_dataset
from models.evaluation.score_files import ScoringPlace
from models.evaluation.score_table import read_scores
from tests.models.drawn import H, Prediction, Sample, W, by_red, drawn_dataset, person, put

LIMIT = 0.8


def dataset_of(folder: Path, *, lost: Sequence[int]) -> Dataset:
    """Draw samples whose prediction misses so many of the 30 rows of the person."""
    drawn = [Sample(id=f"s{n:02}", prediction=person(top=10 + rows), mask=person()) for n, rows in enumerate(lost)]
    return drawn_dataset(folder, drawn)


def score(dataset: Dataset, out: Path, *, predict: Any = by_red, run: str = "r", **options: Any) -> DatasetScores:
    return score_dataset(
        dataset.table.to_pylist(),
        place=ScoringPlace(dataset=dataset.folder, name="d", out=out),
        predict=predict,
        work=Work(folder=out.with_name(f"{out.name}.work"), run=run),
        options=ScoreOptions(**({"workers": 0} | options)),
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stopping(after: int, *, seen: list[str]) -> Callable[..., Iterator[Prediction]]:
    """Predict so many files, then be interrupted."""

    def predict(files: Sequence[Path], *, precision: str) -> Iterator[Prediction]:
        for number, prediction in enumerate(by_red(files, precision=precision)):
            if number == after:
                raise KeyboardInterrupt
            seen.append(files[prediction.index].stem)
            yield prediction

    return predict


def test_scores_lie_in_a_table_sorted_by_id(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", lost=[3, 0, 9])
    found = score(dataset, tmp_path / "out")
    table = read_scores(tmp_path / "out")
    assert table.equals(found.table)
    assert table["id"].to_pylist() == ["s00", "s01", "s02"]
    assert table["iou_person"].to_pylist() == pytest.approx([27 / 30, 1.0, 21 / 30])
    assert (found.quarantined, found.margin) == ({}, None)
    assert read_quarantine(tmp_path / "out") == []


def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", lost=[0, 1, 2, 3, 4, 5, 6])
    score(dataset, tmp_path / "whole")
    seen: list[str] = []
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            score(dataset, tmp_path / "out", predict=stopping(2, seen=seen))
    score(dataset, tmp_path / "out", predict=stopping(99, seen=seen))
    assert seen == [f"s{n:02}" for n in range(7)]
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_what_a_kill_left_half_written_is_swept(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", lost=[0])
    put(tmp_path / "out" / "predictions" / ".writing-1-2", b"half")
    score(dataset, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "predictions").iterdir()) == ["s00.png"]


def test_the_work_of_another_run_is_not_gone_on_with(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", lost=[0])
    score(dataset, tmp_path / "out", run="one")
    with pytest.raises(ValueError, match="another run"):
        score(dataset, tmp_path / "out", run="other")


def test_broken_samples_are_counted_and_listed(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", lost=[0, 1, 2])
    put(tmp_path / "d" / "images" / "s01.png", b"no picture")
    found = score(dataset, tmp_path / "out")
    assert found.quarantined == {"NOT_IMAGE": 1}
    assert found.table["id"].to_pylist() == ["s00", "s02"]
    assert [record.record_id for record in read_quarantine(tmp_path / "out")] == ["s01"]


def test_too_many_broken_samples_stop_the_run_and_it_goes_on_when_more_are_allowed(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", lost=[0, 1, 2, 3])
    for name in ("s01", "s02"):
        put(tmp_path / "d" / "images" / f"{name}.png", b"no picture")
    with pytest.raises(InputRefused, match="2 samples are broken, 1 are allowed") as caught:
        score(dataset, tmp_path / "out", max_quarantine="1")
    assert "s01.png" in caught.value.where
    assert len(read_quarantine(tmp_path / "out")) == 2
    assert score(dataset, tmp_path / "out", max_quarantine="2").quarantined == {"NOT_IMAGE": 2}


def rounding(path: Path, probability: np.ndarray, precision: str, *, rows: int = 1) -> np.ndarray:
    """Lose, on the fast engine, another row of the person in every second image, and find one more in the others."""
    if precision == "fp32" or not probability.any():
        return probability
    top = int(np.flatnonzero(probability.any(axis=1))[0])
    changed = probability.copy()
    if int(path.stem[1:]) % 2:
        changed[top : top + rows] = 0
    else:
        changed[top - rows : top] = changed[top]
    return changed


LOST = list(range(20))
"""The mIoU falls from 1 to about 0.55, so that the limit lies in the middle."""


@pytest.mark.parametrize("rows", [2, 4])
def test_a_fast_engine_finds_the_same_samples_below_the_limit(tmp_path: Path, rows: int) -> None:
    dataset = dataset_of(tmp_path / "d", lost=LOST)
    exact = score(dataset, tmp_path / "exact")
    change = partial(by_red, change=partial(rounding, rows=rows))
    fast = score(dataset, tmp_path / "fast", predict=change, precision="fast", limit=LIMIT)

    def below(found: DatasetScores) -> list[str]:
        return [row["id"] for row in found.table.to_pylist() if row["miou"] < LIMIT]

    assert below(fast) == below(exact)
    assert 0 < len(below(exact)) < len(LOST)
    untouched = score(dataset, tmp_path / "raw", predict=change, precision="fast")
    assert below(untouched) != below(exact), "without the recheck they differ, or this test shows nothing"


def test_only_what_comes_near_the_limit_is_predicted_again(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", lost=LOST)
    exact = score(dataset, tmp_path / "exact").table.to_pylist()
    found = score(dataset, tmp_path / "out", predict=partial(by_red, change=rounding), precision="fast", limit=LIMIT)
    rows = found.table.to_pylist()
    again = [row["rechecked"] for row in rows]
    assert found.margin is not None
    assert 0 < sum(again) < len(again)
    for row, truth in zip(rows, exact, strict=True):
        if row["rechecked"]:
            assert row["miou"] == truth["miou"]
            stored = (tmp_path / "out" / "predictions" / f"{row['id']}.png").read_bytes()
            assert stored == (tmp_path / "exact" / "predictions" / f"{row['id']}.png").read_bytes()
        else:
            assert abs(row["miou"] - LIMIT) > found.margin


def test_the_margin_widens_for_an_engine_that_rounds_worse(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", lost=LOST)
    mild = score(dataset, tmp_path / "mild", precision="fast", limit=LIMIT)
    assert mild.margin == MARGIN
    change = partial(by_red, change=partial(rounding, rows=4))
    coarse = score(dataset, tmp_path / "coarse", predict=change, precision="fast", limit=LIMIT)
    exact = score(dataset, tmp_path / "exact").table["miou"].to_pylist()
    raw = score(dataset, tmp_path / "raw", predict=change, precision="fast").table["miou"].to_pylist()
    again = coarse.table["rechecked"].to_pylist()
    changes = [abs(one - other) for one, other, is_again in zip(raw, exact, again, strict=True) if is_again]
    assert coarse.margin == pytest.approx(SAFETY * max(changes))
    assert coarse.margin > MARGIN


def test_a_prediction_that_is_not_finite_is_tried_again_in_fp32(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", lost=[0, 0, 0])

    def overflowing(path: Path, probability: np.ndarray, precision: str) -> np.ndarray:
        is_lost = path.stem == "s02" or (path.stem == "s01" and precision == "fast")
        return np.full((H, W), np.nan, np.float32) if is_lost else probability

    found = score(dataset, tmp_path / "out", predict=partial(by_red, change=overflowing), precision="fast", limit=LIMIT)
    assert found.table["is_finite"].to_pylist() == [True, True, False]
    assert found.table["rechecked"].to_pylist() == [False, True, True]
    assert [record.record_id for record in read_quarantine(tmp_path / "out")] == ["s02"]


def test_a_recheck_that_was_stopped_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", lost=LOST)
    score(dataset, tmp_path / "whole", precision="fast", limit=LIMIT)
    with pytest.raises(KeyboardInterrupt):

        def predict(files: Sequence[Path], *, precision: str) -> Iterator[Prediction]:
            yield from (by_red if precision == "fast" else stopping(2, seen=[]))(files, precision=precision)

        score(dataset, tmp_path / "out", predict=predict, precision="fast", limit=LIMIT)
    score(dataset, tmp_path / "out", precision="fast", limit=LIMIT)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_progress_counts_predictions_made_again_on_top(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", lost=LOST)
    told: list[tuple[int, int]] = []
    found = score(
        dataset,
        tmp_path / "out",
        precision="fast",
        limit=LIMIT,
        progress=lambda done, total: told.append((done, total)),
    )
    again = sum(found.table["rechecked"].to_pylist())
    assert told[: len(LOST)] == [(n + 1, len(LOST)) for n in range(len(LOST))]
    assert told[-1] == (len(LOST) + again, len(LOST) + again)


def test_no_rows_give_an_empty_table(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", lost=[])
    assert score(dataset, tmp_path / "out").table.num_rows == 0
    assert "miou" in read_scores(tmp_path / "out").column_names
