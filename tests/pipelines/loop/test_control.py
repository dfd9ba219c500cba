"""The control of a round: it differs from the challenger in the labels alone, and goes on after a kill like a round."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pyarrow as pa
import pytest
import yaml

from curation.dataset.dataset import Dataset, read_dataset, read_quarantine, write_dataset
from curation.storage.checksums import digest_column
from curation.storage.files import fingerprint_file, sha256_of
from models.registry.registry import WORKSPACE
from models.training.settings import read_settings
from models.training.settings_text import settings_text
from pipelines.loop.training_set import Earlier, TrainingParts, plan_training_set, samples_in_epoch
from pipelines.sources.make_dataset import make_dataset
from pipelines.training.train import train
from pipelines.training.train_flags import TrainFlags
from tests.models.data.discs import disc_dataset, write_png
from tests.pipelines.commands import finish, spread, start
from tests.pipelines.loop.test_retrain import CONFIG, HERE, Folder, drawn
from tests.places import REPOSITORY

pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow's own packages
KILLS = int(os.environ.get("CURATE_ROUND_KILLS", "1"))
"""20 is the goal, as for rounds without a control."""
PATIENCE_S = 600.0
"""A round of this size takes 20 s where the machine has nothing else to do."""
SETTINGS: dict[str, Any] = {
    "control": True,
    "data": {**CONFIG["data"], "hard_weight": 1},
    "train": {**CONFIG["train"], "stages": [{"epochs": 2, "batch_size": 8, "learning_rate": 0.01}]},
}


def answered(folder: Path, answers: dict[str, str]) -> Dataset:
    """Note what a person said of samples, as a pull does: who is fixed has a new mask, one half of the old."""
    dataset = read_dataset(folder)
    rows = dataset.table.to_pylist()
    for row in rows:
        said = answers.get(row["id"])
        row |= {"label_status": said, "label_seconds": None, "label_annotation": said and f"p/1/{row['id']}"}
        if said == "fixed":
            mask = cv2.imread(str(folder / row["mask"]), cv2.IMREAD_GRAYSCALE)
            assert mask is not None
            mask[:, : mask.shape[1] // 2] = 0
            row |= {"mask": f"masks/{row['id']}.v1.png", "label_version": 1}
            write_png(folder / row["mask"], np.asarray(mask, dtype=np.uint8))
            row[digest_column("mask")] = sha256_of((folder / row["mask"]).read_bytes())
    kinds = {"label_status": pa.string(), "label_seconds": pa.float64(), "label_annotation": pa.string()}
    schema = dataset.table.schema
    for name, kind in kinds.items():
        schema = schema.append(pa.field(name, kind))
    if digest_column("mask") not in schema.names:
        schema = schema.append(pa.field(digest_column("mask"), pa.string()))
    table = pa.Table.from_pylist(rows, schema=schema)
    write_dataset(folder, card=dataset.card, table=table, quarantine=read_quarantine(folder))
    return read_dataset(folder)


def test_what_a_person_said_since_is_undone_and_an_epoch_is_as_long(tmp_path: Path) -> None:
    train_folder, pool_folder = tmp_path / "train", tmp_path / "pool"
    ids = ["corrected", "right", "spoilt", "untouched", "judges"]
    rows = {"judges": {"split": "val"}}
    train_set, pool = disc_dataset(train_folder, ids, rows=rows), disc_dataset(pool_folder, ["new", "still"])
    before = plan_training_set(TrainingParts(train=[train_set], pool=[pool], test=[]), hard={}, weight=3)
    make_dataset(before, out=tmp_path / "before", run=HERE)

    train_set = answered(train_folder, {"corrected": "fixed", "right": "right", "spoilt": "unusable"})
    pool = answered(pool_folder, {"new": "fixed"})
    parts = TrainingParts(train=[train_set], pool=[pool], test=[])
    hard = {("train", "right"): "label_error", ("train", "untouched"): "model_error"}
    now = plan_training_set(parts, hard=hard, weight=3)
    assert sorted(item.id.removeprefix("train-") for item in now.items) == [
        "corrected", "judges", "pool-new", "right", "untouched",
    ]  # fmt: skip
    samples = samples_in_epoch(now.items)
    assert samples == 1 + 1 + 3 + 3, "corrected, new; right and untouched three times each"

    earlier = Earlier(dataset=read_dataset(tmp_path / "before"), samples=samples)
    control = plan_training_set(parts, hard=hard, weight=3, before=earlier)
    make_dataset(control, out=tmp_path / "control", run=HERE)
    found = {row["id"].removeprefix("train-"): row for row in read_dataset(tmp_path / "control").table.to_pylist()}
    assert sorted(found) == ["corrected", "judges", "right", "spoilt", "untouched"]
    assert found["corrected"]["label_version"] == 0
    mask = (tmp_path / "control" / found["corrected"]["mask"]).read_bytes()
    assert mask == (train_folder / "masks" / "corrected.png").read_bytes()
    assert {found[name]["label_status"] for name in ("corrected", "right", "spoilt")} == {None}
    assert found["right"]["repeats"] < found["untouched"]["repeats"], (
        "then its label looked wrong, and nobody had looked"
    )
    assert samples_in_epoch(control.items) == samples
    assert found["judges"]["repeats"] == 1


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A loop whose first round is over, and to whose training set corrected labels came."""
    folder = drawn(tmp_path_factory.mktemp("control") / "f")
    folder.write(**SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WORKSPACE, "")
        assert folder.go()["outcome"] == "first"
    assert folder.round(1).control is None
    answered(folder.path / "train", {"01": "fixed", "02": "fixed", "03": "right"})
    return folder


def test_the_gain_is_against_the_same_training_on_the_labels_as_they_were(
    second: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKSPACE, "")
    loop = Folder(path=tmp_path / "it's a loop")  # what stands in a command has to be quoted
    shutil.copytree(second.path, loop.path)
    assert "as they were in round 1" in loop.go(explain=True)["steps"]["control"]
    loop.go()
    told, place = loop.round(2), loop.path / "loop" / "rounds"
    assert list(told.lineage)[:4] == ["1. train", "2. evaluate", "3. train", "4. evaluate"]
    assert told.labels is not None and told.control is not None and told.control.gain is not None
    assert (told.labels.relabeled, told.labels.confirmed) == (2, 1)
    assert (told.control.round, told.control.samples, told.control.challenger_samples) == (1, 16, 16)

    # an independent training: the same settings, on the training set of the first round itself
    settings = read_settings(place / "0002" / "training.yaml")
    stages = tuple(msgspec.structs.replace(one, data=(str(place / "0001" / "data"),)) for one in settings.stages)
    (tmp_path / "own.yaml").write_bytes(settings_text(msgspec.structs.replace(settings, stages=stages)))
    train(TrainFlags(config=tmp_path / "own.yaml", out=tmp_path / "own"), run=HERE)
    weights = [folder / "model.safetensors" for folder in (tmp_path / "own", place / "0002" / "control" / "challenger")]
    assert fingerprint_file(weights[0]) == fingerprint_file(weights[1])
    assert fingerprint_file(weights[0]) != fingerprint_file(place / "0002" / "challenger" / "model.safetensors")

    before, after = (read_scores_of(place / "0002" / one) for one in ("control/evaluation", "evaluation"))
    assert told.control.gain.difference == pytest.approx(np.mean([after[id_] - before[id_] for id_ in before]))
    page = (place / "0002" / "report.html").read_text()
    assert "gain in mIoU of these labels" in page and "per 100 masks" not in page
    assert len(told.costs) == 2
    assert all((one.milliseconds or 0) > 0 and "the median of 5 runs" in one.machine for one in told.costs)
    assert told.costs[0].machine in page
    with sqlite3.connect(loop.path / "loop" / "registry" / "mlflow.db") as database:
        runs = dict(database.execute("select name, run_uuid from runs"))
        tags = dict(database.execute("select key, value from tags where run_uuid = ?", [runs["disc, round 2"]]))
    assert set(runs) == {"disc, round 1", "disc, round 2"}
    assert tags["mlflow.source.name"] == told.command
    assert tags["mlflow.note.content"].startswith("unet_shufflenet of round 2, begun 2")
    assert tags["mlflow.note.content"].endswith(f"Against models:/disc/1: {told.decision and told.decision.sentence}")
    for command in (told.command, told.lineage["2. evaluate"]):
        pasted(command, folder=tmp_path)
    assert loop.go()["outcome"] == "nothing_to_do"
    loop.write(**SETTINGS | {"control": False})
    assert loop.go(explain=True)["reasons"] == ["control in the configuration is gone"]


def pasted(command: str, *, folder: Path) -> None:
    """Run a line of the page as it stands there, in another shell, from another folder; it is done already."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: text for name, text in os.environ.items() if name != WORKSPACE}
    environment |= {"PATH": path, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def read_scores_of(folder: Path) -> dict[str, float]:
    from models.evaluation.score_table import read_scores

    table = read_scores(folder)
    return dict(zip(table["id"].to_pylist(), table["miou"].to_pylist(), strict=True))


@pytest.mark.nightly  # two minutes of processor; test_train.py kills trainings, test_retrain.py stops rounds
def test_killed_at_any_moment_the_control_ends_with_the_same_model_and_gain(second: Folder, tmp_path: Path) -> None:
    """SIGKILL at changes on disk spread over the round, of which the control is about a half."""
    unbroken = Folder(path=tmp_path / "unbroken")
    shutil.copytree(second.path, unbroken.path)
    command = ["retrain", "--config", unbroken.config, "--workers", "0", "--device", "cpu", "--quiet"]
    (counts := tmp_path / "counts").mkdir()
    counting = {"plan": "main:count:1", "below": unbroken.path, "variables": {"FAULT_COUNT": counts}}
    assert finish(start(*command, **counting), timeout_s=PATIENCE_S).returncode == 0
    changes = sum(path.stat().st_size for path in counts.iterdir())
    expected = outcome(unbroken)
    for point in spread(changes, number=KILLS + 2)[1:-1]:
        folder = Folder(path=tmp_path / f"at{point}")
        shutil.copytree(second.path, folder.path)
        command[2] = folder.config
        killed = finish(start(*command, plan=f"main:kill:{point}", below=folder.path), timeout_s=PATIENCE_S)
        assert killed.returncode == -9
        done = finish(start(*command), timeout_s=PATIENCE_S)
        assert done.returncode == 0, done.stderr
        assert outcome(folder) == expected, point


def outcome(folder: Folder) -> dict[str, Any]:
    place = folder.path / "loop" / "rounds" / "0002"
    plan = yaml.safe_load((place / "plan.json").read_text())
    weights = {
        name: fingerprint_file(place / name / "model.safetensors") for name in ("challenger", "control/challenger")
    }
    return {**weights, "told": folder.round(2).control, "plan": plan["control"], "versions": folder.versions()}
