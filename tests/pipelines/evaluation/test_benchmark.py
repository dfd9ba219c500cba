"""`curate benchmark`: its table against what is known of a model whose every prediction is known, and evaluate."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import pytest

from curation.errors import ConfigurationProblem, EnvironmentProblem, InputRefused
from models.benchmark.measure import Task, measured
from models.benchmark.subjects import subjects_of
from models.prediction.protocol import EngineOptions
from pipelines.command_line.options import RunOptions
from pipelines.evaluation.benchmark import BenchmarkFlags, benchmark
from pipelines.evaluation.evaluate import EvaluateFlags, evaluate
from tests.models.drawn import Sample, drawn_dataset, person
from tests.models.prediction.drawn_models import red_model, write_onnx
from tests.models.prediction.foreign.tensorflow_files import card, saved_model, signature
from tests.models.tiny_onnx import write_tiny_onnx

RUN = RunOptions(workers=1, quiet=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_onnx(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set of which the model gets one sample right, and the others more and more wrong."""
    folder = tmp_path_factory.mktemp("data") / "set"
    samples = [Sample(id=f"s{left}", prediction=person(), mask=person(left=left)) for left in (8, 12, 16)]
    drawn_dataset(folder, samples)
    return folder


def test_miou_and_its_deviation_are_those_of_evaluate(model: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "costs"
    flags = BenchmarkFlags(model=(model,), data=(data,), runs=12, runtime=("onnxruntime", "openvino"), out=out)
    result = benchmark(flags, run=RUN)
    evaluate(EvaluateFlags(model=model, data=(data,), out=tmp_path / "scores"), run=RUN)
    wanted = json.loads((tmp_path / "scores" / "metrics.json").read_text())["all"]["summary"]
    for row in result.data["rows"]:
        assert row["miou"] == pytest.approx(wanted["miou_image"]) and row["std"] == pytest.approx(wanted["std"])
        assert (row["scored"], row["runs"], row["broken"]) == (3, 12, [])
        assert 0 < row["least_ms"] <= row["median_ms"] <= row["p95_ms"] and row["load_ms"] > 0 and row["first_ms"] > 0
        assert row["images_per_s"] > 0 and row["peak_bytes"] > 10_000_000
        assert row["file_bytes"] == model.stat().st_size
        assert row["multiply_adds"] == 2 * 40 * 30 * 3  # two convolutions of one pixel, three channels to one
    assert [row["runtime"] for row in result.data["rows"]] == ["onnxruntime", "openvino"]
    assert json.loads((out / "benchmark.json").read_text())["rows"] == result.data["rows"]
    table = (out / "benchmark.md").read_text()
    assert f"{wanted['miou_image']:.4f}" in table and "benchmark.svg" in table
    assert (out / "benchmark.svg").read_text().count("<svg") == 1
    with pytest.raises(InputRefused, match="a benchmark was written here before"):
        benchmark(flags, run=RUN)


def test_a_broken_sample_is_named_and_counted(model: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    mask = person()
    drawn_dataset(folder, [Sample(id=name, prediction=mask, mask=mask) for name in ("a", "b")])
    (folder / "images" / "a.png").write_bytes(b"broken")
    result = benchmark(BenchmarkFlags(model=(model,), data=(folder,), runs=3, runtime=("onnxruntime",)), run=RUN)
    assert result.exit_code == 3 and result.data["rows"][0]["scored"] == 1
    assert any("a.png" in warning for warning in result.warnings)
    assert np.isclose(result.data["rows"][0]["miou"], 1.0)


def test_a_card_that_misleads_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    """It says person where its pictures are red, and these are red where the labels have background."""
    shapes = [person(left=2 + number, top=4 + 2 * number) for number in range(6)]
    drawn_dataset(
        tmp_path / "set", [Sample(id=f"s{n}", prediction=255 - mask, mask=mask) for n, mask in enumerate(shapes)]
    )
    model = write_onnx(tmp_path, red_model())
    flags = BenchmarkFlags(model=(model,), data=(tmp_path / "set",), runs=1)
    with pytest.raises(InputRefused, match="it gives the background"):
        benchmark(flags, run=RUN)


def test_models_of_one_name_are_told_apart_by_their_paths(model: Path, tmp_path: Path) -> None:
    twin = write_tiny_onnx(tmp_path / model.name)
    other = write_tiny_onnx(tmp_path / "other.onnx")
    flags = BenchmarkFlags(model=(model, twin, other), runtime=("onnxruntime",))
    planned = benchmark(flags, run=RunOptions(workers=1, quiet=True, dry_run=True))
    assert [row["model"] for row in planned.data["rows"]] == [str(model), str(twin), "other.onnx"]


def test_a_saved_model_is_as_large_as_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mask = signature({"image": "ImageTensor:0"}, {"mask": "logits:0"})
    folder = card(saved_model(tmp_path / "saved", signatures={"serving_default": mask}), output="logits")
    [subject] = subjects_of(folder, options=EngineOptions(device="cpu", workers=1), runtimes=("openvino",))
    assert (subject.name, subject.size) == ("saved", (folder / "saved_model.pb").stat().st_size)


def test_a_dry_run_measures_nothing(model: Path) -> None:
    result = benchmark(BenchmarkFlags(model=(model,)), run=RunOptions(workers=1, quiet=True, dry_run=True))
    assert [row["runtime"] for row in result.data["rows"]] == ["onnxruntime", "openvino"]
    assert "nothing is measured" in result.summary


def test_a_runtime_that_does_not_run_the_model_is_told(model: Path) -> None:
    with pytest.raises(ConfigurationProblem, match="it runs in onnxruntime, openvino, not in ncnn"):
        benchmark(BenchmarkFlags(model=(model,), runtime=("ncnn",)), run=RUN)
    for flags in ({"threads": 0}, {"runs": 0}, {"seconds": 0.0}):
        with pytest.raises(click.UsageError):
            BenchmarkFlags(model=(model,), **flags)


def test_what_a_runtime_raises_becomes_a_message(model: Path) -> None:
    from dataclasses import replace

    [subject] = subjects_of(model, options=EngineOptions(device="cpu", workers=1), runtimes=("onnxruntime",))
    assert subject.ready is not None
    spoilt = replace(subject, ready=replace(subject.ready, data=b"no graph"))
    with pytest.raises(EnvironmentProblem, match="onnxruntime does not run it"):
        measured(spoilt, task=Task(threads=1, runs=1, seconds=1.0))
