from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from curation.dataset.chosen_rows import ChosenRows
from curation.dataset.dataset import Dataset
from curation.errors import EnvironmentProblem
from curation.quarantine import BadRecord, Code
from models.evaluation import score_files as scoring
from models.evaluation.score_files import ScoredImage, ScoringPlace, score_rows
from tests.models.drawn import Prediction, Sample, by_red, drawn_dataset, person, put


def dataset_of(folder: Path, *, samples: int) -> Dataset:
    drawn = [Sample(id=f"s{n:02}", prediction=person(left=8 + n % 5), mask=person()) for n in range(samples)]
    return drawn_dataset(folder, drawn)


def scored(dataset: Dataset, out: Path, *, workers: int = 0, predict: Any = by_red) -> list[ScoredImage]:
    (out / "predictions").mkdir(parents=True, exist_ok=True)
    where = ScoringPlace(dataset=dataset.folder, name="d", out=out)
    rows = dataset.table.to_pylist()
    return list(score_rows(rows, place=where, predict=predict, precision="fp32", workers=workers))


def test_each_sample_is_scored_and_its_prediction_kept(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", samples=6)
    found = scored(dataset, tmp_path / "out")
    assert [image.id for image in found] == [f"s{n:02}" for n in range(6)]
    for n, image in enumerate(found):
        assert image.score is not None
        lost = n % 5
        assert image.score.iou_person == pytest.approx((14 - lost) / 14)
        stored = cv2.imread(str(tmp_path / "out" / "predictions" / f"s{n:02}.png"), cv2.IMREAD_UNCHANGED)
        assert (stored == person(left=8 + lost)).all()


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_change_neither_scores_nor_order(tmp_path: Path, workers: int) -> None:
    dataset = dataset_of(tmp_path / "d", samples=9)
    alone = scored(dataset, tmp_path / "alone")
    assert scored(dataset, tmp_path / "out", workers=workers) == alone


def test_predictions_do_not_pile_up_ahead_of_their_scores(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", samples=30)
    drawn = 0

    def counting(files: Sequence[Path], *, precision: str) -> Iterator[Prediction]:
        nonlocal drawn
        for prediction in by_red(files, precision=precision):
            drawn += 1
            yield prediction

    (tmp_path / "out" / "predictions").mkdir(parents=True)
    place = ScoringPlace(dataset=dataset.folder, name="d", out=tmp_path / "out")
    rows = dataset.table.to_pylist()
    images = score_rows(rows, place=place, predict=counting, precision="fp32", workers=2)  # type: ignore[arg-type]
    for done, _ in enumerate(images):
        assert drawn - done <= 2 * 2 + 1


def test_the_engine_is_told_when_scoring_ends_early(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", samples=9)
    ended = []

    def watched(files: Sequence[Path], *, precision: str) -> Iterator[Prediction]:
        try:
            yield from by_red(files, precision=precision)
        finally:
            ended.append(True)

    (tmp_path / "out" / "predictions").mkdir(parents=True)
    place = ScoringPlace(dataset=dataset.folder, name="d", out=tmp_path / "out")
    rows = dataset.table.to_pylist()
    images = score_rows(rows, place=place, predict=watched, precision="fp32", workers=1)  # type: ignore[arg-type]
    next(images)
    assert ended == []
    images.close()
    assert ended == [True]


def test_a_broken_image_and_a_broken_mask_are_set_aside(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", samples=3)
    put(tmp_path / "d" / "images" / "s00.png", b"no picture")
    put(tmp_path / "d" / "masks" / "s02.png", b"")
    first, second, third = scored(dataset, tmp_path / "out", workers=2)
    assert second.score is not None and second.records == ()
    for image, folder in ((first, "images"), (third, "masks")):
        assert image.score is None
        (record,) = image.records
        assert (record.code, record.stage, record.record_id) == (Code.NOT_IMAGE, "score", image.id)
        assert record.file.endswith(f"{folder}/{image.id}.png")
    assert not (tmp_path / "out" / "predictions" / "s02.png").exists()


def test_what_changed_since_its_import_is_set_aside(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", samples=2)
    images = tmp_path / "d" / "images"
    put(images / "s00.png", (images / "s01.png").read_bytes() + b"\0")
    first, second = scored(dataset, tmp_path / "out", workers=2)
    assert second.score is not None
    (record,) = first.records
    assert (first.score, record.code, record.field) == (None, Code.CHECKSUM, "sha256")
    assert record.file.endswith("images/s00.png")


def test_a_path_that_leaves_the_dataset_is_never_predicted(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", samples=1)
    row = dataset.table.to_pylist()[0]
    rows = [row | {"image": "../other.png"}, row | {"id": "../../up"}, row]
    place = ScoringPlace(dataset=dataset.folder, name="d", out=tmp_path / "out")
    (tmp_path / "out" / "predictions").mkdir(parents=True)
    found = list(score_rows(rows, place=place, predict=by_red, precision="fp32", workers=0))  # type: ignore[arg-type]
    assert [image.score is None for image in found] == [True, True, False]
    assert {record.code for image in found for record in image.records} == {Code.PATH_ESCAPE}
    assert [path.name for path in tmp_path.rglob("*up*")] == []


def test_a_prediction_that_is_not_finite_is_a_row_and_a_record(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", samples=3)

    def with_faults(files: Sequence[Path], *, precision: str) -> Iterator[Prediction]:
        for prediction in by_red(files, precision=precision):
            if prediction.index == 0:
                told = BadRecord(Code.MODEL_NONFINITE, "told by the engine")
                yield Prediction(index=0, probability=None, broken=told)
            elif prediction.index == 1:
                yield Prediction(index=1, probability=np.full((40, 30), np.nan, np.float32))
            else:
                yield prediction

    for image in scored(dataset, tmp_path / "out", predict=with_faults)[:2]:
        assert image.score is not None
        assert (image.score.is_finite, image.score.miou) == (False, None)
        assert [record.code for record in image.records] == [Code.MODEL_NONFINITE]
    assert [path.name for path in (tmp_path / "out" / "predictions").iterdir()] == ["s02.png"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_full_disk_stops_the_run(tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dataset_of(tmp_path / "d", samples=5)

    def full(path: Path, data: bytes) -> None:
        raise EnvironmentProblem("the disk is full", where=path)

    monkeypatch.setattr(scoring, "write_bytes", full)
    with pytest.raises(EnvironmentProblem, match="full"):
        scored(dataset, tmp_path / "out", workers=workers)


class Elsewhere:
    """Predicts in other places, to which three rows at a time travel as bytes."""

    is_elsewhere = True

    def each(self, pairs: Any, *, then: Any, precision: str) -> Iterator[ScoredImage]:
        for start in range(0, len(pairs), 3):
            for path, row in pickle.loads(pickle.dumps(pairs[start : start + 3])):
                (prediction,) = by_red([path], precision=precision)
                yield pickle.loads(pickle.dumps(then))(row, prediction)


def test_rows_that_are_read_when_they_are_wanted_are_scored_as_those_of_a_list(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "d", samples=8)
    listed = scored(dataset, tmp_path / "listed")
    places = np.array([5, 1, 7, 0])
    for name, predict in (("here", by_red), ("there", Elsewhere())):
        (tmp_path / name / "predictions").mkdir(parents=True)
        place = ScoringPlace(dataset=dataset.folder, name="d", out=tmp_path / name)
        rows = ChosenRows(dataset.rows, places)
        found = list(score_rows(rows, place=place, predict=predict, precision="fp32", workers=0))  # type: ignore[arg-type]
        assert found == [listed[number] for number in places]
        assert {path.stem for path in (tmp_path / name / "predictions").iterdir()} == {one.id for one in found}
