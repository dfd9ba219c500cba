"""Rounds whose test set is a split of the folder that trains, with a Label Studio in memory that is asked over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.dataset.dataset import read_dataset
from curation.errors import InputRefused
from curation.images.pixels import decode_mask
from curation.storage.files import fingerprint_file
from labeling.label_tools.label_studio.server.access import API_KEY, URL
from models.registry.registry import WORKSPACE
from pipelines.labels.pull import PullFlags, pull
from pipelines.labels.push import PushFlags, push
from pipelines.labels.undo import UndoFlags, undo
from pipelines.loop.frozen_sets import FROZEN
from pipelines.loop.retrain import RetrainFlags, retrain
from tests.labeling.label_tools.label_studio.fake_server import TOKEN, FakeServer, running
from tests.labeling.label_tools.label_studio.rounds import drawn_result
from tests.models.data.discs import disc_dataset
from tests.pipelines.loop.test_retrain import CONFIG, HERE, Folder

pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow's own packages
IDS = [f"{n:02}" for n in range(20)]
TEST = [id_ for id_ in IDS if int(id_) % 4 == 3]
SPLITS: list[str | None] = ["val", "train", None, "test"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    with running(FakeServer()) as found:
        for name, value in ((URL, found.url), (API_KEY, TOKEN), (WORKSPACE, "")):
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A loop in which `p` trains, judges, and is measured on, each with a split of its own."""
    found = Folder(path=tmp_path / "f")
    disc_dataset(found.path / "p", IDS, rows={id_: {"split": SPLITS[int(id_) % 4]} for id_ in IDS})
    found.write(
        data={"train": ["p"], "test": [{"data": "p"}]},
        label={"project": "people", "budget": 30, "select": "threshold"},
        mine={"threshold": 1.0},
        train={**CONFIG["train"], "stages": [{"epochs": 2, "batch_size": 8, "learning_rate": 0.01}]},
    )
    return found


def rows_of(folder: Folder) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in read_dataset(folder.path / "p").table.to_pylist()}


def mined_in(folder: Folder, *, number: int) -> list[str]:
    scores = folder.path / "loop" / "rounds" / f"{number:04}" / "hard-cases" / "scores.parquet"
    return sorted(pq.read_table(scores)["id"].to_pylist())


def submit(server: FakeServer, *ids: str, folder: Folder) -> None:
    """Submit the masks of samples, moved by some pixels."""
    tasks = {task["data"]["sample_uid"].partition("@")[0]: number for number, task in server.tasks.items()}
    for id_ in ids:
        path = folder.path / "p" / "masks" / f"{id_}.png"
        moved = np.roll(decode_mask(path.read_bytes(), file=str(path)), 3, axis=0)
        server.annotate(tasks[id_], result=drawn_result(moved, verdict="fixed"))


def test_a_pull_into_the_folder_of_the_test_set_changes_what_trains_and_the_loop_goes_on(
    server: FakeServer, folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    assert folder.go()["outcome"] == "first"
    learn = sorted(set(IDS) - set(TEST))
    assert mined_in(folder, number=1) == learn  # those without a split, too
    assert sorted(uid.partition("@")[0] for uid in server.uids()) == learn

    (folder.path / "asked.txt").write_text("03\n")  # somebody asks for the label of a test row, too
    push(PushFlags(dataset=folder.path / "p", project="people", ids=folder.path / "asked.txt"), run=HERE)
    submit(server, "01", "02", "03", folder=folder)
    before = rows_of(folder)
    told = retrain(RetrainFlags(config=folder.config), run=replace(HERE, quiet=False)).data
    assert (told["round"], told["relabeled"]) == (2, 2)
    assert "1 submitted labels are not taken: for their samples split != 'test' does not hold" in capfd.readouterr().err
    after = rows_of(folder)
    assert {id_ for id_ in IDS if after[id_]["mask"] != before[id_]["mask"]} == {"01", "02"}
    assert folder.round(2).test_sets == folder.round(1).test_sets
    assert mined_in(folder, number=2) == learn
    assert folder.go()["outcome"] == "nothing_to_do"

    pull(PullFlags(dataset=folder.path / "p", project="people"), run=HERE)
    assert rows_of(folder)["03"]["label_version"] == 1
    for explain in (True, False):
        with pytest.raises(InputRefused, match="test set changed; another label, image or group: 03") as caught:
            folder.go(explain=explain)
        assert "curate label undo" in caught.value.remedy
    undo(UndoFlags(dataset=folder.path / "p", batch=2), run=HERE)
    assert folder.go(explain=True)["reasons"] == []  # and it is not refused: the data set is what it was


@pytest.mark.nightly  # a minute of processor; the test before it pulls into such a folder
def test_a_workspace_that_was_frozen_by_manifest_goes_on_though_its_next_pull_changes_that(
    server: FakeServer, folder: Folder
) -> None:
    folder.go()
    manifest = fingerprint_file(folder.path / "p" / "manifest.parquet")
    (folder.path / "loop" / FROZEN).write_bytes(msgspec.json.encode({"p test": manifest}))
    submit(server, "01", folder=folder)
    assert folder.go()["round"] == 2
    assert fingerprint_file(folder.path / "p" / "manifest.parquet") != manifest
    assert folder.round(2).test_sets == {"p test": manifest}  # as the rounds before know it
    with_rows = msgspec.json.decode((folder.path / "loop" / FROZEN).read_bytes())
    assert sorted(with_rows["p test"]["rows"]) == TEST
