"""`curate evaluate` as a user types it, with a model whose every prediction is known (`tiny_onnx`)."""

from __future__ import annotations

import json
import os
import signal
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.errors import InputRefused
from pipelines.command_line.options import Result, RunOptions
from pipelines.evaluation.evaluate import EvaluateFlags, evaluate
from tests.models.drawn import H, Sample, W, drawn_dataset, person, png, put
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.commands import finish, start, tree

pytestmark = pytest.mark.usefixtures("checked_once")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_onnx(tmp_path_factory.mktemp("model") / "red.onnx")


def dataset(folder: Path, *, lost: list[int]) -> Path:
    """Draw samples whose prediction misses so many of the 30 rows of the person."""
    drawn = [
        Sample(
            id=f"s{number:02}",
            prediction=person(top=10 + rows),
            mask=person(),
            row={"split": ("train", "test")[number % 2], "persons": 1 + number % 2, "source": "drawn"},
        )
        for number, rows in enumerate(lost)
    ]
    drawn_dataset(folder, drawn)
    return folder


def run(model: Path, *data: Path, out: Path, workers: int = 0, overwrite: bool = False, **flags: Any) -> Result:
    common = {name: flags.pop(name) for name in ("limit", "dry_run", "max_quarantine", "seed") if name in flags}
    options = RunOptions(workers=workers, overwrite=overwrite, quiet=True, **common)
    return evaluate(EvaluateFlags(model=model, data=data, out=out, **flags), run=options)


def miou(lost: int) -> float:
    found, background = 14 * (30 - lost), 40 * 30 - 14 * 30
    return (found / (14 * 30) + background / (background + 14 * lost)) / 2


def files(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


def test_one_data_set_is_scored_into_the_folder_itself(tmp_path: Path, model: Path) -> None:
    data, out = dataset(tmp_path / "d", lost=[0, 6, 15]), tmp_path / "out"
    result = run(model, data, out=out, badcases=1)
    rows = pq.read_table(out / "scores.parquet").to_pylist()
    assert [row["miou"] for row in rows] == pytest.approx([miou(0), miou(6), miou(15)])
    predictions = {f"predictions/s{number:02}.png" for number in range(3)}
    worst = f"badcases/{miou(15):.4f}_s02.png"
    assert files(out) == {"scores.parquet", "metrics.json", "quarantine.jsonl", worst, *predictions}
    stored = cv2.imread(str(out / "predictions" / "s01.png"), cv2.IMREAD_UNCHANGED)
    assert (stored == person(top=16)).all()
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["sets"]["d"]["summary"]["miou_image"] == pytest.approx((miou(0) + miou(6) + miou(15)) / 3)
    assert metrics["sets"]["d"]["counts"] == {"considered": 3, "scored": 3, "filtered": {}, "quarantined": {}}
    assert (metrics["model"]["name"], metrics["engine"]["precision"]) == ("red", "fp32")
    assert (result.exit_code, result.data["out"]) == (0, str(out))


def test_several_data_sets_have_a_folder_each_and_are_summed_up(tmp_path: Path, model: Path) -> None:
    one, other = dataset(tmp_path / "one", lost=[3]), dataset(tmp_path / "other", lost=[6, 9])
    result = run(model, one, other, out=tmp_path / "out", badcases=0)
    assert files(tmp_path / "out") >= {"metrics.json", "one/scores.parquet", "other/predictions/s01.png"}
    assert list(result.data["sets"]) == ["one", "other"]
    whole = result.data["all"]["summary"]
    assert (whole["images"], whole["miou_image"]) == (3, pytest.approx((miou(3) + miou(6) + miou(9)) / 3))


def test_a_baseline_is_compared_image_by_image(tmp_path: Path, model: Path) -> None:
    worse = write_tiny_onnx(tmp_path / "worse.onnx", lost=0.6)  # nowhere above one half: it finds nobody
    data, out = dataset(tmp_path / "d", lost=[0, 3]), tmp_path / "out"
    result = run(model, data, out=out, baseline=worse)
    nobody = miou(30)
    found = result.data["sets"]["d"]["comparison"]["overall"]
    assert found["difference"] == pytest.approx((miou(0) + miou(3)) / 2 - nobody)
    assert (found["images"], found["better"]) == (2, 1.0)
    assert set(result.data["sets"]["d"]["comparison"]["slices"]["persons"]) == {"1", "2"}
    assert (out / "baseline" / "scores.parquet").exists()
    assert "against worse" in result.summary


def test_the_same_command_again_does_nothing_and_another_is_refused(tmp_path: Path, model: Path) -> None:
    data, out = dataset(tmp_path / "d", lost=[0, 3]), tmp_path / "out"
    run(model, data, out=out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = run(model, data, out=out)
    assert "nothing to do" in again.summary
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    with pytest.raises(InputRefused, match="with another model, data or settings"):
        run(model, data, out=out, limit=1)
    assert run(model, data, out=out, limit=1, overwrite=True).data["all"]["summary"]["images"] == 1
    assert not (tmp_path / "out.replaced").exists()


def test_split_query_and_limit_choose_and_training_samples_are_warned_of(tmp_path: Path, model: Path) -> None:
    data = dataset(tmp_path / "d", lost=[0, 1, 2, 3])
    tested = run(model, data, out=tmp_path / "1", split=("test",))
    assert (tested.data["all"]["summary"]["images"], tested.warnings) == (2, ())
    everything = run(model, data, out=tmp_path / "2", where="persons == 1", limit=1)
    assert everything.data["sets"]["d"]["counts"]["filtered"] == {"query": 2, "limit": 1}
    assert "1 of the 1 samples are of the split train" in everything.warnings[0]


def test_a_dry_run_tells_and_writes_nothing(tmp_path: Path, model: Path) -> None:
    result = run(model, dataset(tmp_path / "d", lost=[0, 3]), out=tmp_path / "out", dry_run=True)
    assert result.data["sets"] == {"d": {"samples": 2, "filtered": {}}}
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_model_that_its_card_misdescribes_is_refused_and_leaves_the_folder_free(
    tmp_path: Path, dry_run: bool
) -> None:
    data, out = dataset(tmp_path / "d", lost=[0, 3, 4]), tmp_path / "out"
    other = write_tiny_onnx(tmp_path / "other.onnx")
    card = other.with_suffix(".yaml")
    right = card.read_text()
    card.write_text(right.replace(f"[{H}, {W}]", f"[{W}, {H}]"))
    with pytest.raises(InputRefused, match=f"input_size: the model takes a height of {H}, the card says {W}"):
        run(other, data, out=out, dry_run=dry_run)
    assert not out.exists()
    card.write_text(right)  # a card that is corrected needs no --overwrite
    assert run(other, data, out=out).data["is_new"]


def test_broken_images_are_set_aside_with_exit_code_3(tmp_path: Path, model: Path) -> None:
    data = dataset(tmp_path / "d", lost=[0, 3])
    put(data / "images" / "s01.png", b"no picture")
    result = run(model, data, out=tmp_path / "out")
    assert result.exit_code == 3
    assert result.data["sets"]["d"]["counts"]["quarantined"] == {"NOT_IMAGE": 1}
    assert "1 samples are broken" in result.summary


def test_an_image_for_which_the_model_gives_no_number_is_the_worst_of_all(tmp_path: Path, model: Path) -> None:
    data, out, black = tmp_path / "d", tmp_path / "out", png(np.zeros((H, W, 3), np.uint8))  # no green
    first = Sample(id="s00", prediction=person(), mask=person(), row={"sha256": sha256(black).hexdigest()})
    drawn_dataset(data, [first, Sample(id="s01", prediction=person(top=30), mask=person())])
    put(data / "images" / "s00.png", black)
    result = run(model, data, out=out, badcases=1)
    row = pq.read_table(out / "scores.parquet").to_pylist()[0]
    assert (row["id"], row["is_finite"], row["miou"]) == ("s00", False, None)
    assert files(out) >= {"badcases/none_s00.png", "predictions/s01.png"}
    assert "predictions/s00.png" not in files(out)
    assert '"code":"MODEL_NONFINITE"' in (out / "quarantine.jsonl").read_text()
    summary = result.data["all"]["summary"]
    assert (summary["images"], summary["not_finite"], summary["share_under"]) == (2, 1, 1.0)
    assert (result.exit_code, result.data["sets"]["d"]["counts"]["quarantined"]) == (3, {})
    assert "1 predictions are not finite" in result.summary


def test_predictions_need_not_be_kept_and_badcases_are_still_drawn(tmp_path: Path, model: Path) -> None:
    run(model, dataset(tmp_path / "d", lost=[3]), out=tmp_path / "out", no_predictions=True, baseline=model)
    assert not list((tmp_path / "out").rglob("predictions"))
    assert files(tmp_path / "out") >= {f"badcases/{miou(3):.4f}_s00.png", "baseline/scores.parquet"}


def test_slices_can_be_chosen(tmp_path: Path, model: Path) -> None:
    result = run(model, dataset(tmp_path / "d", lost=[3]), out=tmp_path / "out", slices=("holes",))
    assert list(result.data["slices"]) == list(result.data["all"]["slices"]) == ["holes"]


def test_the_fast_precision_says_what_it_computed_with_and_what_was_checked_again(tmp_path: Path, model: Path) -> None:
    data = dataset(tmp_path / "d", lost=[0, 9, 12])
    result = run(model, data, out=tmp_path / "out", precision="fast", with_flips=True)
    assert result.data["precision"] == "fast"
    assert not any("fp32" in warning for warning in result.warnings)
    compared = run(model, data, out=tmp_path / "compared", precision="fast", baseline=model, dry_run=True)
    assert "compare models in fp32" in compared.warnings[-1]
    assert result.data["engine"]["precision"] in {"fp32", "bf16"}
    entry = result.data["sets"]["d"]
    assert entry["rechecked"] == sum(abs(miou(lost) - 0.8) <= entry["margin"] for lost in (0, 9, 12))


def test_a_negative_number_of_badcases_is_wrong_usage(tmp_path: Path, model: Path) -> None:
    with pytest.raises(click.UsageError, match="-1 is negative"):
        EvaluateFlags(model=model, data=(tmp_path,), out=tmp_path, badcases=-1)


def test_killed_half_way_it_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, model: Path) -> None:
    data = dataset(tmp_path / "d", lost=[number % 20 for number in range(120)])
    run(model, data, out=tmp_path / "whole", badcases=2)
    out = tmp_path / "out"
    command = ("evaluate", "--model", model, "--data", data, "--out", out, "--badcases", "2", "--workers", "1")
    process = start(*command)
    until = time.monotonic() + 60
    while len(list(out.glob("predictions/*.png"))) < 40 and time.monotonic() < until:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (out / "metrics.json").exists()
    done = finish(start(*command))
    assert done.returncode == 0, done.stderr
    assert tree(out) == tree(tmp_path / "whole")


def test_an_interrupt_ends_with_130_and_leaves_no_process(tmp_path: Path, model: Path) -> None:
    data, out = dataset(tmp_path / "d", lost=[0] * 150), tmp_path / "out"
    process = start("evaluate", "--model", model, "--data", data, "--out", out, "--workers", "2")
    until = time.monotonic() + 60
    while not list(out.glob("predictions/*.png")) and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
