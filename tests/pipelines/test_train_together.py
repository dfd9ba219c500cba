"""`curate train --devices 2`: two processes that train together speak with one voice, and end together."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.models.data.discs import disc_dataset
from tests.pipelines.commands import finish, processes_of, run, start


@pytest.fixture
def command(tmp_path: Path) -> list[object]:
    disc_dataset(tmp_path / "discs", [f"t{n}" for n in range(9)], rows={"t8": {"split": "val"}})
    flags = ("--input-size", "32x32", "--batch-size", 4, "--devices", 2, "--device", "cpu", "--workers", 0)
    names = ("--data", tmp_path / "discs", "--network", "unet_shufflenet", "--out", tmp_path / "run")
    return ["train", *names, *flags]


def test_a_batch_is_shared_and_one_process_tells_of_both(command: list[object], tmp_path: Path) -> None:
    done = run(*command, "--epochs", 3, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["steps"], done.stderr) == (0, 3 * 2, "")
    assert told["miou_image"] == json.loads((tmp_path / "run" / "metrics.json").read_bytes())["miou_image"]
    again = run(*command, "--epochs", 3)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.count("it was finished before") == 1


def test_where_one_process_is_killed_the_other_ends_and_the_next_start_goes_on(
    command: list[object], tmp_path: Path
) -> None:
    command += ["--epochs", 30]
    first = start(*command)
    rows = tmp_path / "run" / "history.csv"
    while first.poll() is None and not (rows.exists() and rows.read_text().count("\n") > 1):
        time.sleep(0.05)
    (follower,) = (one for one in processes_of(first.pid) if rank_of(one) == "1")
    os.kill(follower.pid, signal.SIGKILL)
    ended = finish(first)
    assert ended.returncode == 5, ended.stderr
    assert "the same command" in ended.stderr and "Traceback" not in ended.stderr
    done = run(*command)
    assert done.returncode == 0, done.stderr
    with rows.open() as lines:
        assert [int(row["epoch"]) for row in csv.DictReader(lines)] == list(range(1, 31))


def test_a_process_that_is_lost_before_the_others_meet_it_is_told(command: list[object]) -> None:
    first = start(*command, "--json")
    followers: list[psutil.Process] = []
    while first.poll() is None and not followers:
        time.sleep(0.05)
        followers = [one for one in processes_of(first.pid) if rank_of(one) == "1"]
    os.kill(followers[0].pid, signal.SIGKILL)
    ended = finish(first)  # without us, torch would wait for half an hour
    assert ended.returncode == 5, ended.stderr
    assert "the same command" in ended.stderr and "Traceback" not in ended.stderr
    assert json.loads(ended.stdout)["exit_code"] == 5


def rank_of(process: psutil.Process) -> str:
    """Give the number that a process has among those that train together."""
    try:
        return process.environ().get("LOCAL_RANK", "")
    except psutil.Error:
        return ""
