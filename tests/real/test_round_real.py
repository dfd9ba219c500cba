"""Rounds of the loop with a real Label Studio: labels go out, come back, and train; killed, nothing is there twice."""

from __future__ import annotations

import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from curation.dataset.dataset import read_dataset
from curation.images.pixels import decode_mask
from curation.storage.files import fingerprint_file
from labeling.label_tools.label_studio.project.project import find_project
from labeling.label_tools.label_studio.project.tasks import list_tasks
from labeling.label_tools.label_studio.server.access import API_KEY, URL, Access
from labeling.label_tools.label_studio.server.client import Client
from labeling.label_tools.label_studio.stand_in import annotate
from models.registry.registry import WORKSPACE
from tests.pipelines.commands import finish, run, start
from tests.pipelines.loop.test_retrain import Folder, drawn
from tests.real.label_studio_server import serving

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("default")]  # those of MLflow's own packages
KILLS = int(os.environ.get("CURATE_ROUND_KILLS", "1"))
"""20 is the goal."""
BUDGET = 5


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    with serving(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture
def server(access: Access, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    for name, value in ((URL, access.url), (API_KEY, access.token), (WORKSPACE, "")):
        monkeypatch.setenv(name, value)
    with Client(access) as client:
        yield client


def asking(path: Path, *, title: str) -> Folder:
    """A loop that sends its worst samples to a project, however good they are."""
    folder = drawn(path)
    folder.write(label={"project": title, "budget": BUDGET, "select": "threshold"}, mine={"threshold": 1.0})
    return folder


def sent_to(client: Client, title: str) -> Counter[str]:
    """Return how often each sample is in a project."""
    project = find_project(client, title=title)
    return Counter() if project is None else Counter(task.uid for task in list_tasks(client, project=project.id))


def test_what_is_corrected_comes_back_trains_and_other_samples_go_next(server: Client, tmp_path: Path) -> None:
    title = f"round {uuid.uuid4().hex[:8]}"
    folder = asking(tmp_path / "f", title=title)
    truth = {
        row["id"]: folder.path / "train" / row["mask"] for row in read_dataset(folder.path / "train").table.to_pylist()
    }
    assert folder.go()["sent"] == BUDGET
    first = sent_to(server, title)
    assert (len(first), set(first.values())) == (BUDGET, {1})

    def true_mask(task: Any) -> Any:
        path = truth[task.uid.rpartition("@")[0]]
        return decode_mask(path.read_bytes(), file=str(path))

    assert annotate(server, title=title, truth=true_mask) == BUDGET
    told = folder.go()
    assert (told["round"], told["sent"]) == (2, BUDGET)
    after = sent_to(server, title)
    assert (len(after), set(after.values())) == (2 * BUDGET, {1})
    statuses = [row["label_status"] for row in read_dataset(folder.path / "train").table.to_pylist()]
    assert len(statuses) - statuses.count(None) == BUDGET
    assert folder.go()["outcome"] == "nothing_to_do"


@pytest.mark.nightly
def test_killed_at_random_moments_a_round_ends_as_one_that_nobody_disturbed(server: Client, tmp_path: Path) -> None:
    unbroken = asking(tmp_path / "unbroken", title=f"round {uuid.uuid4().hex[:8]}")
    began = time.monotonic()
    done = run(*command_of(unbroken))
    took, expected = time.monotonic() - began, None
    assert done.returncode == 0, done.stderr
    expected = what_came_of(unbroken)
    moments = random.Random(7)
    for number in range(KILLS):
        title = f"round {uuid.uuid4().hex[:8]}"
        folder = asking(tmp_path / f"killed{number}", title=title)
        process = start(*command_of(folder))
        try:
            process.wait(timeout=moments.uniform(0.2, 1.0) * took)
        except Exception:  # noqa: BLE001 - it is at work, as it should be
            for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                one.kill()
        finish(process)
        again = run(*command_of(folder))
        assert again.returncode == 0, again.stderr
        assert what_came_of(folder) == expected
        sent = sent_to(server, title)
        assert (len(sent), set(sent.values())) == (BUDGET, {1})


def command_of(folder: Folder) -> list[object]:
    return ["retrain", "--config", folder.config, "--workers", "0", "--device", "cpu", "--quiet"]


def what_came_of(folder: Folder) -> dict[str, Any]:
    told = folder.round(1)
    rounds = folder.path / "loop" / "rounds"
    return {
        "weights": fingerprint_file(rounds / "0001" / "challenger" / "model.safetensors"),
        "champion": (told.champion, folder.champion(), folder.versions()),
        "miou": told.miou,
        "next": (rounds / "0001" / "next.txt").read_text(),
    }
