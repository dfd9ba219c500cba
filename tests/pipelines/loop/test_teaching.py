"""Teachers in the loop: what they label trains, what tests refuse, and what the page says of who labelled what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from curation.dataset.dataset import read_dataset
from curation.dataset.query import select_rows
from curation.errors import InputRefused
from models.training.settings import Stage
from pipelines.loop import rounds
from pipelines.loop.config import loop_config_from
from pipelines.loop.label_facts import labelled_by
from pipelines.loop.rounds import Loop
from pipelines.loop.teaching import taught_stage
from pipelines.loop.training_set import TrainingParts, plan_training_set
from tests.models.data.discs import disc_dataset
from tests.models.tiny_onnx import CARD, write_tiny_onnx
from tests.models.training.distillation.test_taught_training import NOTHING, lit
from tests.pipelines.loop.test_retrain import CONFIG, Folder, drawn

pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow's own packages
BY_MODEL = {"label_source": "m", "label_license": "MIT"}
BY_SOURCE = {"label_source": None, "label_license": None}


def loop_of(folder: Path, **config: Any) -> Loop:
    import yaml

    text = yaml.safe_dump({**CONFIG, **config}).encode()
    return Loop(config=loop_config_from(text, where=folder / "loop.yaml"), file=folder / "loop.yaml")


def test_what_teachers_agreed_on_trains_and_what_they_left_for_people_does_not(tmp_path: Path) -> None:
    train = disc_dataset(tmp_path / "train", ["a"])
    test = disc_dataset(tmp_path / "test", ["t"])
    ids = ["kept", "left", "tested"]
    pool = disc_dataset(tmp_path / "pool", ids, rows=dict.fromkeys(ids, NOTHING))
    digests = dict(zip(pool.table["id"].to_pylist(), pool.table["sha256"].to_pylist(), strict=True))
    rows: dict[str, dict[str, Any]] = {id_: {"sha256": digests[id_], **BY_MODEL} for id_ in ids}
    rows["left"] |= {"mask": None}
    rows["tested"] |= {"group": "test/t"}
    taught = disc_dataset(tmp_path / "prelabelled", ids, rows=rows)
    parts = TrainingParts(train=[train], pool=[pool], test=[test.table], taught=[taught])
    plan = plan_training_set(parts, hard={}, weight=2)
    assert sorted(item.id for item in plan.items) == ["prelabelled-kept", "train-a"]
    assert plan.filtered == {"left_for_people": 1, "not_labelled_by_a_person": 3, "in_test": 1}
    parts = TrainingParts(train=[train], pool=[pool], test=[test.table], taught=[taught], with_unlabelled=True)
    plan = plan_training_set(parts, hard={}, weight=2)
    assert sorted(item.id for item in plan.items) == ["pool-left", "prelabelled-kept", "train-a"]


def test_a_test_set_refuses_labels_of_models_unless_a_person_looked_at_them(tmp_path: Path) -> None:
    rows = {"a": {**BY_MODEL, "label_status": None}, "b": {**BY_SOURCE, "label_status": None}}
    disc_dataset(tmp_path / "test", list(rows), rows=rows)
    loop = loop_of(tmp_path)
    with pytest.raises(InputRefused, match=r"1 labels of this test set were made by models, e\.g\. of a"):
        rounds.test_sets_of(loop)
    rows["a"]["label_status"] = "right"
    disc_dataset(tmp_path / "test", list(rows), rows=rows)
    assert len(rounds.test_sets_of(loop)["test all"].rows) == 2


def test_a_stage_is_taught_by_a_model_beside_the_file_or_by_the_champion_where_there_is_one(tmp_path: Path) -> None:
    loop = loop_of(tmp_path)
    beside = taught_stage(Stage(teacher="m.onnx", distill=2.0), loop=loop, champion="")
    assert (beside.teacher, beside.distill) == (str(tmp_path / "m.onnx"), 2.0)
    own = Stage(teacher="champion", distill_confidence=0.9)
    assert taught_stage(own, loop=loop, champion="models:/disc/3").teacher == "models:/disc/3"
    assert taught_stage(own, loop=loop, champion="") == Stage()


def test_labels_are_counted_by_who_made_them() -> None:
    rows = [
        {"split": None, "mask": "m", **BY_SOURCE},
        {"split": "train", "mask": "m", **BY_MODEL},
        {"split": None, "mask": "m", **BY_MODEL, "label_status": "right"},
        {"split": None, "mask": "m", **BY_SOURCE, "label_status": "fixed"},
        {"split": None, "mask": None, **BY_MODEL},
        {"split": "val", "mask": "m", **BY_MODEL},
    ]
    assert labelled_by(rows) == {"people": 2, "teachers": 1, "the source": 1, "nobody": 1}


@pytest.mark.nightly
def test_a_round_labels_its_pool_with_teachers_and_its_page_says_so(tmp_path: Path) -> None:
    folder = drawn(tmp_path / "f")
    lit(folder.path / "train")
    ids = ("p0", "p1", "p2")
    pool = disc_dataset(folder.path / "pool", ids, rows=dict.fromkeys(ids, NOTHING)).folder
    rng = np.random.default_rng(0)
    for number, id_ in enumerate(ids):  # not so alike that they are copies of what is tested on; nobody is in the last
        picture = cv2.resize(rng.integers(30, 256, (8, 6, 3), np.uint8), (40, 48))
        picture[..., 2] = cv2.circle(np.zeros((48, 40), np.uint8), (20, 24), 12, 255 if number < 2 else 0, -1)
        (pool / "images" / f"{id_}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    lit(pool)
    write_tiny_onnx(folder.path / "red.onnx", card=f"{CARD}name: red\nlicense: CC BY-NC 4.0\n")
    stages = [{"epochs": 1, "batch_size": 8, "learning_rate": 0.01, "teacher": "red.onnx"}]
    folder.write(
        data={**CONFIG["data"], "pool": ["pool"]},
        teach={"teachers": ["red.onnx"], "agreement": 0.5, "support": 0.0},
        train={**CONFIG["train"], "stages": stages},
        mine={"teachers": ["red.onnx"]},
    )
    told = folder.go(explain=True)
    assert "labels judged by red.onnx" in told["steps"]["mine"]
    assert "red.onnx" in told["steps"]["teach"]
    assert folder.go()["outcome"] == "first"
    check(folder)


def check(folder: Folder) -> None:
    place = folder.path / "loop" / "rounds" / "0001"
    rows = {row["id"]: row for row in read_dataset(place / "data").table.to_pylist()}
    assert {id_ for id_, row in rows.items() if row["label_source"] == "red"} >= {"prelabelled-p0", "prelabelled-p1"}
    assert rows["pool-p2"]["mask"] is None and "prelabelled-p2" not in rows
    labels = folder.round(1).labels
    assert labels is not None
    assert labels.labelled_by == {"people": 0, "teachers": 2, "the source": 16, "nobody": 1}
    page = (place / "report.html").read_text()
    assert "labelled by teachers" in page and "2 (10.5%)" in page
    assert labels.judged_by == ["red"] and labels.wrong_share is None  # 40 labels are needed to tell
    assert "wrong, as red judged in mining" in page
    assert "labels by" in page and "CC BY-NC 4.0" in page
    assert list(folder.round(1).lineage)[:2] == ["1. prelabel", "2. train"]
    found = read_dataset(place / "prelabelled")
    assert len(select_rows(found, "teacher_doubt == 'nobody'")) == 1
    assert np.isclose(found.table["teacher_agreement"][0].as_py(), 1, atol=0.5)
