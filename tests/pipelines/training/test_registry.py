"""`curate registry` as a user types it, on an MLflow of its own."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import click
import pytest

from curation.errors import InputRefused
from models.registry.record import record_of
from pipelines.command_line.options import RunOptions
from pipelines.training.registry import RegistryFlags, registry

pytest.importorskip("mlflow", reason="mlflow is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow's own packages

CARD = "input_size: [8, 8]\nchannels: RGB\nlayout: NCHW\nmean: [0, 0, 0]\nstd: [1, 1, 1]\noutput: probability\n"
RUN = RunOptions()


def run_folder(folder: Path) -> Path:
    """Draw what a training leaves, as far as the registry looks at it."""
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "model.yaml").write_text(CARD)
    settings = "settings:\n  network: sinet\n  stages:\n  - epochs: 3\n"
    (folder / "config.yaml").write_text(f"{settings}data:\n  data/a: {'1' * 64}\n")
    (folder / "metrics.json").write_text('{"miou_image": 0.5, "network": "sinet"}')
    (folder / "curves.svg").write_text("<svg/>")
    return folder


def evaluation(folder: Path, *, weights: bytes = b"weights") -> Path:
    (folder / "badcases").mkdir(parents=True)
    (folder / "badcases" / "0.1_a.png").write_bytes(b"png")
    told = {
        "model": {"name": "m", "sha256": sha256(weights).hexdigest()},
        "all": {"summary": {"miou_image": 0.75, "hole_recall": None, "matting": {}}},
        "sets": {"test": {"manifest_sha256": "2" * 64}},
    }
    (folder / "metrics.json").write_text(json.dumps(told))
    return folder


def test_versions_are_added_listed_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    model, measured = run_folder(tmp_path / "run"), evaluation(tmp_path / "results")
    flags = {"name": "portrait", "workspace": tmp_path / "loop"}
    first = registry(RegistryFlags(**flags, add=model, evaluation=measured, alias="champion"), run=RUN)
    assert (first.data["added"], first.data["is_new"]) == ("models:/portrait/1", True)
    again = registry(RegistryFlags(**flags, add=model, evaluation=measured), run=RUN)
    assert (again.data["added"], again.data["is_new"]) == ("models:/portrait/1", False)
    (version,) = again.data["versions"]
    assert version["aliases"] == ("champion",)
    assert version["metrics"] == {"miou_image": 0.75, "val miou_image": 0.5}
    assert "1 @champion  mIoU 0.7500" in again.summary
    moved = registry(RegistryFlags(**flags, alias="challenger", version=1), run=RUN)
    assert moved.data["versions"][0]["aliases"] == ("challenger", "champion")
    with pytest.raises(InputRefused, match="there is no version 9"):
        registry(RegistryFlags(**flags, alias="champion", version=9), run=RUN)


def test_what_is_kept_of_a_model_is_its_settings_its_numbers_and_the_hashes_of_its_data(tmp_path: Path) -> None:
    found = record_of(run_folder(tmp_path / "run"), evaluation=evaluation(tmp_path / "results"))
    assert found.parameters == {"network": "sinet", "stages.0.epochs": "3"}
    assert found.metrics == {"val miou_image": 0.5, "miou_image": 0.75}
    assert found.data == {"data/a": "1" * 64, "test test": "2" * 64}
    files = {folder: [file.name for file in files] for folder, files in found.files.items()}
    assert files == {
        "training": ["curves.svg"],
        "evaluation": ["metrics.json"],
        "evaluation/badcases": ["0.1_a.png"],
    }


def test_the_evaluation_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="the evaluation of another model"):
        record_of(run_folder(tmp_path / "run"), evaluation=evaluation(tmp_path / "results", weights=b"other"))


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_an_evaluation_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    measured = evaluation(tmp_path / "results")
    (measured / "metrics.json").write_text(text)
    with pytest.raises(InputRefused, match=r"cannot be read|not a mapping|not the metrics"):
        record_of(run_folder(tmp_path / "run"), evaluation=measured)


@pytest.mark.parametrize(
    "flags",
    [{"alias": "champion"}, {"version": 1}, {"evaluation": Path("x")}, {"alias": "a", "add": Path(), "version": 1}],
)
def test_flags_that_do_nothing_alone_are_refused(flags: dict[str, object]) -> None:
    with pytest.raises(click.UsageError):
        RegistryFlags(name="portrait", **flags)  # type: ignore[arg-type]
