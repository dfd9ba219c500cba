"""What is observed while scoring is the evidence that the stored predictions give afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curation.images.pixels import encode_gray
from labeling.verdicts.judge_dataset import Judges, Views, judged, observe_alone
from labeling.verdicts.witnesses import EDGES
from models.data.truth import Truth
from models.evaluation.score_dataset import DatasetScores, Part, ScoreOptions, Work, score_parts
from models.evaluation.score_files import ScoringPlace
from models.evaluation.score_table import write_scores
from models.metrics.confusion import confusion, image_miou
from tests.models.drawn import H, Sample, W, by_red, drawn_dataset, person


def parts_of(folder: Path) -> list[Part]:
    ignore = np.zeros((H, W), np.uint8)
    ignore[30:] = 128
    samples = [
        Sample(id="right", prediction=person(), mask=person()),
        Sample(id="wrong", prediction=person(), mask=person(top=25)),
        Sample(id="unsure", prediction=np.where(person() > 0, np.uint8(150), np.uint8(100)), mask=person(top=25)),
        Sample(id="ignored", prediction=person(), mask=person(top=25), files={"ignore": ignore}),
        Sample(id="nobody", prediction=person(), mask=None, row={"persons": 0}),
        Sample(id="unlabelled", prediction=person(), mask=None, row={"persons": None}),
    ]
    dataset = drawn_dataset(folder / "d", samples)
    place = ScoringPlace(dataset=dataset.folder, name="d", out=folder / "out", with_alpha=False, observe=observe_alone)
    return [Part(rows=dataset.table.to_pylist(), place=place)]


def scored(parts: list[Part], *, folder: Path) -> DatasetScores:
    work = Work(folder=folder / "work", run="r")
    return score_parts(parts, predict=by_red, work=work, options=ScoreOptions(workers=2))


def verdicts(found: DatasetScores, *, parts: list[Part], views: Sequence[Views] = ()) -> pa.Table:
    (part,) = parts
    samples = [(part.place.dataset, row) for row in part.rows]
    judges = Judges(views=views)
    return judged(found.scores, samples=samples, judges=judges, staging=part.place.out, workers=1).scores.whole()


def rewritten(found: DatasetScores, table: pa.Table) -> DatasetScores:
    return replace(found, scores=write_scores(found.scores.folder, tables=[table]))


def observed(found: DatasetScores) -> dict[str, tuple[float, float]]:
    columns = [found.table[name].to_pylist() for name in ("id", "contradicted", "interior_error")]
    return {id_: (one, other) for id_, one, other in zip(*columns, strict=True) if one is not None}


def test_a_label_without_half_of_the_person_is_contradicted_by_that_half() -> None:
    truth = np.zeros((100, 100), np.uint8)
    truth[:40] = 255
    sure = truth.copy()
    sure[:80] = 255
    assert observe_alone(sure, Truth(mask=truth)) == {"contradicted": 0.5, "interior_error": 0.5}


def test_what_was_observed_and_what_is_gathered_afterwards_are_one(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)
    found = scored(parts, folder=tmp_path)
    assert set(observed(found)) == {"right", "wrong", "unsure", "ignored", "nobody"}
    at_once = verdicts(found, parts=parts)
    # a journal of an earlier version holds nothing observed
    bare = found.table.drop_columns(["contradicted", "interior_error"])
    afterwards = verdicts(rewritten(found, bare), parts=parts)
    assert at_once.equals(afterwards)
    told = dict(zip(at_once["id"].to_pylist(), at_once["verdict"].to_pylist(), strict=True))
    assert told["right"] == "ok" and told["wrong"] == "label_error" and told["unlabelled"] is None


def test_what_was_observed_outlives_a_run(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)
    first = scored(parts, folder=tmp_path)
    (tmp_path / "d" / "images" / "right.png").unlink()  # nothing is predicted again
    assert observed(scored(parts, folder=tmp_path)) == observed(first) != {}


def test_with_another_view_the_stored_predictions_are_the_evidence(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)
    found = scored(parts, folder=tmp_path)
    ones = pa.array([1.0] * len(found.table))
    table = found.table.drop_columns(["contradicted", "interior_error"])
    lies = rewritten(found, table.append_column("contradicted", ones).append_column("interior_error", ones))
    same = parts[0].place.out / "predictions"
    table = verdicts(lies, parts=parts, views=[lambda id_: same / f"{id_}.png"])
    row = next(row for row in table.to_pylist() if row["id"] == "right")
    assert (row["verdict"], row["contradicted"], row["model_disagreement"]) == ("ok", 0.0, pytest.approx(0.0))


def test_of_a_pool_another_view_tells_how_far_the_models_differ_and_no_verdict(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)
    found = scored(parts, folder=tmp_path)
    (tmp_path / "other").mkdir()
    half = person()
    half[:, : W // 2] = 0
    (tmp_path / "other" / "unlabelled.png").write_bytes(encode_gray(half))
    table = verdicts(found, parts=parts, views=[lambda id_: tmp_path / "other" / f"{id_}.png"])
    rows = {row["id"]: row for row in table.to_pylist()}
    both, either = np.count_nonzero(half), np.count_nonzero(person())
    background = (H * W - either) / (H * W - both)
    assert rows["unlabelled"]["model_disagreement"] == pytest.approx(1 - (both / either + background) / 2)
    assert rows["unlabelled"]["verdict"] is rows["unlabelled"]["contradicted"] is None
    assert rows["right"]["model_disagreement"] is None  # no other model saw it


def test_a_wrong_label_is_doubted_by_its_image_and_where_that_is_gone_by_the_models_alone(tmp_path: Path) -> None:
    samples = [Sample(id=id_, prediction=person(), mask=person(top=25)) for id_ in ("wrong", "lost")]
    dataset = drawn_dataset(tmp_path / "d", samples)
    place = ScoringPlace(dataset=dataset.folder, name="d", out=tmp_path / "out", with_alpha=False)
    parts = [Part(rows=dataset.table.to_pylist(), place=place)]
    found = scored(parts, folder=tmp_path)
    (tmp_path / "d" / "images" / "lost.png").unlink()
    same = place.out / "predictions"
    table = verdicts(found, parts=parts, views=[lambda id_: same / f"{id_}.png"])
    rows = {row["id"]: row for row in table.to_pylist()}
    assert rows["wrong"]["outline_support"] < 0.5 and rows["wrong"]["label_doubt"] > 0
    assert rows["lost"]["label_doubt"] is None and rows["lost"]["verdict"] == "label_error"


def test_a_model_that_learned_a_wrong_label_does_not_speak_for_it(tmp_path: Path) -> None:
    """The model repeats both labels, of which it learned one. The teacher sees the whole person, off the edges."""
    repeated = person(top=25)
    samples = [Sample(id=name, prediction=repeated, mask=repeated) for name in ("learned", "other")]
    dataset = drawn_dataset(tmp_path / "d", samples)
    place = ScoringPlace(dataset=dataset.folder, name="d", out=tmp_path / "out", with_alpha=False)
    parts = [Part(rows=dataset.table.to_pylist(), place=place)]
    found = scored(parts, folder=tmp_path)
    (tmp_path / "teacher.png").write_bytes(encode_gray(person()))

    def teacher(_: str) -> Path:
        return tmp_path / "teacher.png"

    table = judged(
        found.scores,
        samples=[(dataset.folder, row) for row in parts[0].rows],
        judges=Judges(views=[teacher], teacher=teacher, learned=lambda row: row["id"] == "learned"),
        staging=tmp_path / "out",
        workers=1,
    ).scores.whole()
    doubts = dict(zip(table["id"].to_pylist(), table["label_doubt"].to_pylist(), strict=True))
    seen = image_miou(confusion(person(), truth=repeated))
    assert doubts["other"] == pytest.approx(0)
    assert doubts["learned"] == pytest.approx(1 - seen - EDGES)
