"""`curate train --devices 2`: two processes that train together speak with one voice, and end together."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from models.model_files import WEIGHTS
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


def test_processes_that_train_together_listen_on_loopback_alone(command: list[object]) -> None:
    first = start(*command, "--epochs", 500)
    seen: set[str] = set()
    try:
        while first.poll() is None and len(seen_by := listening(first.pid)) < 2:
            time.sleep(0.1)
        seen = {address for address, _ in listening(first.pid) | seen_by}
    finally:
        first.send_signal(signal.SIGTERM)
        finish(first)
    assert seen == {"127.0.0.1"}


def listening(pid: int) -> set[tuple[str, int]]:
    """Return the addresses and ports on which a process and all that it started listen."""
    found: set[tuple[str, int]] = set()
    for process in [psutil.Process(pid), *processes_of(pid)]:
        with suppress(psutil.Error):
            connections = process.net_connections("inet")
            found |= {(one.laddr.ip, one.laddr.port) for one in connections if one.status == psutil.CONN_LISTEN}
    return found


@pytest.mark.nightly  # a minute of processor; test_train.py kills a process alone
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


@pytest.mark.nightly  # three processes that import torch; one that waits for another is tested below
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


def test_a_machine_that_waits_for_another_says_so_and_is_stopped_at_once(command: list[object]) -> None:
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "NODE_RANK": 0}
    alone = start(*command[:-6], "--device", "cpu", "--nodes", 2, "--workers", 0, variables=place)
    assert alone.stderr is not None
    assert "when all 2 machines are there" in alone.stderr.readline()
    while alone.poll() is None and not psutil.Process(alone.pid).net_connections():
        time.sleep(0.05)
    alone.send_signal(signal.SIGTERM)
    assert finish(alone, timeout_s=10.0).returncode == -signal.SIGTERM


@pytest.mark.nightly  # six processes that import torch; a machine that waits for another is tested above
def test_two_machines_train_together_and_after_a_kill_the_weights_are_the_same_to_the_bit(tmp_path: Path) -> None:
    """Both are here, each a process of its own that knows the other by address and port alone."""
    disc_dataset(tmp_path / "discs", [f"t{n}" for n in range(9)], rows={"t8": {"split": "val"}})
    names = ("--data", tmp_path / "discs", "--network", "unet_shufflenet", "--input-size", "32x32", "--batch-size", 4)
    command = ["train", *names, "--epochs", 8, "--device", "cpu", "--nodes", 2, "--workers", 0, "--out"]

    def both(out: Path) -> list[subprocess.Popen[str]]:
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
        return [start(*command, out, variables=place | {"NODE_RANK": rank}) for rank in (0, 1)]

    whole = [finish(one) for one in both(tmp_path / "whole")]
    assert [(one.returncode, one.stderr.count("Traceback")) for one in whole] == [(0, 0)] * 2, whole[0].stderr
    assert "validation mIoU" in whole[0].stdout and whole[1].stdout == ""
    stopped, rows = both(tmp_path / "stopped"), tmp_path / "stopped" / "history.csv"
    while stopped[0].poll() is None and not (rows.exists() and rows.read_text().count("\n") > 3):
        time.sleep(0.05)
    for one in stopped[::-1]:
        one.kill()
        finish(one)
    assert not (tmp_path / "stopped" / WEIGHTS).exists(), "it was killed before its end, or this shows nothing"
    again = [finish(one) for one in both(tmp_path / "stopped")]
    assert [one.returncode for one in again] == [0, 0], again[0].stderr
    found = [(tmp_path / name / WEIGHTS).read_bytes() for name in ("whole", "stopped")]
    assert found[0] == found[1]


@pytest.mark.nightly  # two processes that import torch
def test_a_machine_that_was_given_another_training_is_told_and_neither_trains(tmp_path: Path) -> None:
    disc_dataset(tmp_path / "discs", [f"t{n}" for n in range(9)], rows={"t8": {"split": "val"}})
    names = ("--data", tmp_path / "discs", "--network", "unet_shufflenet", "--input-size", "32x32", "--epochs", 1)
    flags = ("--device", "cpu", "--nodes", 2, "--workers", 0, "--out", tmp_path / "run")
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    both = [start("train", *names, *flags, "--seed", seed, variables=place | {"NODE_RANK": seed}) for seed in (0, 1)]
    ended = [finish(one) for one in both]
    assert [one.returncode for one in ended] == [5, 4], ended[0].stderr
    assert "the first process was given other settings than this one" in ended[1].stderr
    assert "another process that trained with this one has ended" in ended[0].stderr
    assert not (tmp_path / "run" / WEIGHTS).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.nightly)])
def test_processes_that_load_die_with_the_training_also_while_they_start(
    tmp_path: Path, number: signal.Signals
) -> None:
    disc_dataset(tmp_path / "discs", [f"t{n}" for n in range(9)], rows={"t8": {"split": "val"}})
    flags = ("--network", "unet_shufflenet", "--input-size", "32x32", "--epochs", 500, "--workers", 2)
    first = start("train", "--data", tmp_path / "discs", "--out", tmp_path / "run", "--device", "cpu", *flags)
    while first.poll() is None and not any("spawn_main" in " ".join(told(one)) for one in processes_of(first.pid)):
        time.sleep(0.02)
    time.sleep(0.3)
    first.send_signal(number)
    first.wait(timeout=20)
    assert processes_of(first.pid, patience_s=20.0) == []
    assert "resource_tracker" not in finish(first).stderr


def told(process: psutil.Process) -> list[str]:
    """Return the command line of a process that may be gone."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def rank_of(process: psutil.Process) -> str:
    """Return the number that a process has among those that train together."""
    try:
        return process.environ().get("LOCAL_RANK", "")
    except psutil.Error:
        return ""
