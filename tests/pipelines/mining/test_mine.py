"""`curate mine` as a user types it, with a model whose every prediction is known (`tiny_onnx`)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pytest

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import read_dataset, read_quarantine
from curation.errors import InputRefused, Interrupted
from curation.operations.verify import verify
from labeling.browsing.fiftyone_dataset import plain_columns
from labeling.findings import findings_of
from labeling.selection.next_samples import next_samples
from models.evaluation.choose_sets import identify
from models.evaluation.score_table import read_scores
from pipelines.command_line.options import Result, RunOptions
from pipelines.mining import mine_datasets
from pipelines.mining.flags import MineFlags
from pipelines.mining.mine import mine
from tests.models.drawn import Sample, drawn_dataset, person, put
from tests.models.tiny_onnx import write_tiny_onnx

pytestmark = pytest.mark.usefixtures("checked_once")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_onnx(tmp_path_factory.mktemp("model") / "red.onnx")


def sample(id_: str, *, lost: int = 0, mask: np.ndarray | None = None, **row: Any) -> Sample:
    """Draw a sample whose prediction misses so many of the 30 rows of the person."""
    return Sample(id=id_, prediction=person(top=10 + lost), mask=person() if mask is None else mask, row=row)


def unlabelled(id_: str, *, certainty: int) -> Sample:
    prediction = np.where(person() > 0, np.uint8(128 + certainty), np.uint8(127 - certainty))
    return Sample(id=id_, prediction=prediction, mask=None, row={"persons": None})


def run(model: Path, *data: Path, out: Path, **flags: Any) -> Result:
    common = {name: flags.pop(name) for name in ("limit", "dry_run", "overwrite") if name in flags}
    flags = {"precision": "fp32"} | flags
    return mine(MineFlags(model=model, data=data, out=out, **flags), run=RunOptions(workers=0, quiet=True, **common))


def miou(lost: int) -> float:
    found, background = 14 * (30 - lost), 40 * 30 - 14 * 30
    return (found / (14 * 30) + background / (background + 14 * lost)) / 2


def test_the_hard_cases_are_a_dataset_the_worst_first_with_all_scores_beside_it(tmp_path: Path, model: Path) -> None:
    drawn_dataset(tmp_path / "d", [sample("a"), sample("b", lost=9), sample("c", lost=20), sample("e", lost=1)])
    result = run(model, tmp_path / "d", out=tmp_path / "hard")
    hard = read_dataset(tmp_path / "hard")
    rows = {row["id"]: row for row in hard.table.to_pylist()}
    assert {id_: row["hard_rank"] for id_, row in rows.items()} == {"c": 1, "b": 2}
    assert rows["b"]["miou"] == pytest.approx(miou(9))
    assert rows["b"]["mined_id"] == "b" and rows["b"]["mined_from"] == "d@r"
    assert (tmp_path / "hard" / rows["b"]["prediction"]).exists()
    assert read_scores(tmp_path / "hard")["id"].to_pylist() == ["a", "b", "c", "e"]
    assert len(list((tmp_path / "hard" / "predictions").iterdir())) == 4
    assert result.data["counts"] == {"considered": 4, "selected": 2, "filtered": {"not_hard": 2}, "quarantined": {}}
    assert not (tmp_path / "hard.mining").exists()
    assert verify(hard, runner=RunnerOptions(workers=0)).problems == []


def test_a_sample_exactly_at_the_threshold_is_not_hard(tmp_path: Path, model: Path) -> None:
    drawn_dataset(tmp_path / "d", [sample("a", lost=9)])
    scored = run(model, tmp_path / "d", out=tmp_path / "once", threshold=1.0)
    exact = read_scores(tmp_path / "once")["miou"][0].as_py()
    assert scored.data["counts"]["selected"] == 1
    assert run(model, tmp_path / "d", out=tmp_path / "at", threshold=exact).data["counts"]["selected"] == 0
    above = float(np.nextafter(exact, 1))
    assert run(model, tmp_path / "d", out=tmp_path / "above", threshold=above).data["counts"]["selected"] == 1


def test_a_prediction_that_is_not_finite_is_mined_and_told(tmp_path: Path, model: Path) -> None:
    drawn_dataset(tmp_path / "d", [sample("fine"), sample("strange")])
    black = np.dstack([np.zeros((40, 30), np.uint8)] * 2 + [person()])
    put(tmp_path / "d" / "images" / "strange.png", cv2.imencode(".png", black)[1].tobytes())
    rewrite_hash(tmp_path / "d", id_="strange")
    result = run(model, tmp_path / "d", out=tmp_path / "hard")
    rows = read_dataset(tmp_path / "hard").table.to_pylist()
    assert [(row["id"], row["miou"], row["verdict"], row["prediction"]) for row in rows] == [
        ("strange", None, "model_error", None)
    ]
    assert [str(record.code) for record in read_quarantine(tmp_path / "hard")] == ["MODEL_NONFINITE"]
    assert result.exit_code == 3


def rewrite_hash(folder: Path, *, id_: str) -> None:
    import hashlib

    import pyarrow as pa

    from curation.dataset.dataset import write_dataset

    dataset = read_dataset(folder)
    rows = dataset.table.to_pylist()
    for row in rows:
        if row["id"] == id_:
            row["sha256"] = hashlib.sha256((folder / row["image"]).read_bytes()).hexdigest()
    table = pa.Table.from_pylist(rows, schema=dataset.table.schema)
    write_dataset(folder, card=dataset.card, table=table, quarantine=[])


def test_of_a_pool_without_labels_the_most_uncertain_share_is_kept(tmp_path: Path, model: Path) -> None:
    pool = [unlabelled(f"p{certainty}", certainty=certainty) for certainty in (10, 40, 70, 100)]
    drawn_dataset(tmp_path / "d", [sample("hard", lost=20), *pool])
    run(model, tmp_path / "d", out=tmp_path / "hard", pool_share=0.5)
    rows = {row["id"]: row for row in read_dataset(tmp_path / "hard").table.to_pylist()}
    assert {id_: row["hard_rank"] for id_, row in rows.items()} == {"hard": 1, "p10": 2, "p40": 3}
    assert rows["p10"]["verdict"] is None and rows["p10"]["mask"] is None


def test_a_wrong_label_is_told_from_a_hard_image_by_a_second_model(tmp_path: Path, model: Path) -> None:
    wrong = person(top=25)
    drawn_dataset(tmp_path / "d", [Sample(id="wrong", prediction=person(), mask=wrong), sample("right")])
    other = write_tiny_onnx(tmp_path / "other.onnx", lost=0.02)
    result = run(model, tmp_path / "d", out=tmp_path / "hard", second=(other,))
    scores = {row["id"]: row for row in read_scores(tmp_path / "hard").to_pylist()}
    assert scores["wrong"]["verdict"] == "label_error" and scores["right"]["verdict"] == "ok"
    assert scores["wrong"]["model_disagreement"] == 0.0
    assert result.data["notes"]["verdicts"]["label_error"] == 1


def test_with_views_it_is_told_how_far_they_disagree_and_no_prediction_changes(tmp_path: Path, model: Path) -> None:
    stripes = person()
    stripes[::2] = 0
    pool = Sample(id="stripes", prediction=stripes, mask=None, row={"persons": None})
    drawn_dataset(tmp_path / "d", [sample("block", lost=20), pool])
    run(model, tmp_path / "d", out=tmp_path / "plain", pool_share=1.0)
    assert read_scores(tmp_path / "plain")["view_disagreement"].to_pylist() == [None, None]
    run(model, tmp_path / "d", out=tmp_path / "views", pool_share=1.0, with_scales=True)
    block, striped = read_scores(tmp_path / "views")["view_disagreement"].to_pylist()
    assert 0 <= block < 0.2 < striped <= 1
    for name in ("block", "stripes"):
        one, other = (tmp_path / out / "predictions" / f"{name}.png" for out in ("plain", "views"))
        assert one.read_bytes() == other.read_bytes()
    mined = read_dataset(tmp_path / "views")
    assert findings_of(mined, scores=None).source == identify(model)
    assert plain_columns([mined.table])["view_disagreement"] == "number"
    options = {"strategy": "views", "budget": None, "rng": np.random.default_rng(0)}
    rows = next_samples(mined.table.to_pylist(), findings=findings_of(mined, scores=None), **options)
    assert [row["id"] for row in rows] == ["stripes", "block"]
    with pytest.raises(InputRefused, match="other settings"):
        run(model, tmp_path / "d", out=tmp_path / "plain", pool_share=1.0, with_scales=True)


def test_several_datasets_become_one_with_prefixes_or_are_refused(tmp_path: Path, model: Path) -> None:
    for name in ("one", "two"):
        drawn_dataset(tmp_path / name, [sample("a", lost=20)])
    data = (tmp_path / "one", tmp_path / "two")
    with pytest.raises(InputRefused, match="taken twice"):
        run(model, *data, out=tmp_path / "hard")
    run(model, *data, out=tmp_path / "hard", prefix=True)
    rows = read_dataset(tmp_path / "hard").table.to_pylist()
    assert [(row["id"], row["mined_id"]) for row in rows] == [("one-a", "a"), ("two-a", "a")]


def test_the_same_command_again_does_nothing_and_another_is_refused(tmp_path: Path, model: Path) -> None:
    drawn_dataset(tmp_path / "d", [sample("a", lost=9)])
    first = run(model, tmp_path / "d", out=tmp_path / "hard")
    shutil.rmtree(tmp_path / "d" / "images")
    again = run(model, tmp_path / "d", out=tmp_path / "hard")
    assert again.data["counts"] == first.data["counts"]
    with pytest.raises(InputRefused, match="other settings"):
        run(model, tmp_path / "d", out=tmp_path / "hard", threshold=0.5)


def test_unfinished_work_of_other_settings_or_other_labels_is_not_taken_for_its_own(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = drawn_dataset(tmp_path / "d", [sample("a", lost=9), sample("b", lost=20)])
    with monkeypatch.context() as patch:
        patch.setattr(mine_datasets, "make_dataset", stopped)
        with pytest.raises(Interrupted):
            run(model, data.folder, out=tmp_path / "hard", threshold=0.5)
    drawn_dataset(tmp_path / "d", [sample("a", lost=9, mask=person(top=19)), sample("b", lost=20)])
    run(model, data.folder, out=tmp_path / "hard")
    scores = read_scores(tmp_path / "hard")
    assert dict(zip(scores["id"].to_pylist(), scores["miou"].to_pylist())) == pytest.approx({"a": 1, "b": miou(20)})
    assert not (tmp_path / "hard.mining").exists()


def stopped(*_: Any, **__: Any) -> None:
    raise Interrupted("SIGTERM")


def test_mining_a_mined_dataset_again_gives_it_new_scores(tmp_path: Path, model: Path) -> None:
    drawn_dataset(tmp_path / "d", [sample("a", lost=9), sample("b", lost=20)])
    run(model, tmp_path / "d", out=tmp_path / "hard")
    worse = write_tiny_onnx(tmp_path / "worse.onnx", lost=0.9)
    run(worse, tmp_path / "hard", out=tmp_path / "harder")
    rows = {row["id"]: row for row in read_dataset(tmp_path / "harder").table.to_pylist()}
    assert rows["a"]["miou"] == pytest.approx(0.65 / 2) and rows["a"]["mined_from"].startswith("hard@")


def test_a_dry_run_tells_and_writes_nothing(tmp_path: Path, model: Path) -> None:
    drawn_dataset(tmp_path / "d", [sample("a"), unlabelled("p", certainty=5)])
    result = run(model, tmp_path / "d", out=tmp_path / "hard", dry_run=True)
    assert (result.data["samples"], result.data["labelled"]) == (2, 1)
    assert not (tmp_path / "hard").exists() and not (tmp_path / "hard.mining").exists()


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_model_that_is_refused_leaves_nothing_behind(tmp_path: Path, dry_run: bool) -> None:
    drawn_dataset(tmp_path / "d", [sample("a"), unlabelled("p", certainty=5)])
    other = write_tiny_onnx(tmp_path / "other.onnx")
    other.with_suffix(".yaml").write_text(other.with_suffix(".yaml").read_text() + "output_name: mask\n")
    with pytest.raises(InputRefused, match="output_name: the card says 'mask', the model gives probability"):
        run(other, tmp_path / "d", out=tmp_path / "hard", dry_run=dry_run)
    assert {path.name for path in tmp_path.iterdir()} == {"d", "other.onnx", "other.yaml"}


def test_a_choice_that_leaves_nothing_names_what_left_it_out(tmp_path: Path, model: Path) -> None:
    drawn_dataset(tmp_path / "d", [sample("a", split="train")])
    with pytest.raises(InputRefused, match="split 1"):
        run(model, tmp_path / "d", out=tmp_path / "hard", split="test")


@pytest.mark.parametrize("flags", [{"threshold": 1.5}, {"pool_share": -0.1}, {"folds": 1}])
def test_numbers_that_can_do_nothing_are_refused(flags: dict[str, Any]) -> None:
    with pytest.raises(click.UsageError):
        MineFlags(model=Path("m"), data=(Path("d"),), out=Path("o"), **flags)


@pytest.mark.parametrize(("share", "kept"), [(0.1, ["p10"]), (0.5, ["p10", "p40"]), (0.0, [])])
def test_of_a_small_pool_one_is_kept_at_least_unless_none_is_wanted(
    tmp_path: Path, model: Path, share: float, kept: list[str]
) -> None:
    drawn_dataset(tmp_path / "d", [unlabelled(f"p{certainty}", certainty=certainty) for certainty in (10, 40, 70)])
    run(model, tmp_path / "d", out=tmp_path / "hard", pool_share=share)
    assert read_dataset(tmp_path / "hard").table["id"].to_pylist() == kept
