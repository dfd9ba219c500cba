"""Two runs in one folder: one wins, the other says who is there; a killed one never stands in the way (faults D4)."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipelines.commands import CURATE, aifenge_command, difference, draw_aifenge, finish, go_on, start, tree

SAMPLES = 60
REFUSE_WITHIN_S = 2.0
ENVIRONMENT = 5
INTERLEAVINGS = 10

# Says when the imports are over, so that what is timed is the meeting with the lock and not the start of Python
PREPARED = (
    sys.executable,
    "-c",
    "import sys, time, pipelines.sources.aifenge; from pipelines.command_line.cli import main; "
    "print('ready', flush=True); sys.stdin.readline(); main()",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_aifenge(tmp_path_factory.mktemp("two") / "R", samples=SAMPLES)


@pytest.fixture(scope="module")
def alone(root: Path) -> dict[str, bytes]:
    out = root.parent / "alone" / "D"
    assert go_on(root, out) == 0
    return tree(out)


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + 60.0
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("seed", range(INTERLEAVINGS))
def test_of_two_runs_at_once_one_wins_and_nothing_is_corrupted(
    seed: int, root: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    rng = random.Random(seed)
    out = tmp_path / "D"
    first = start(*aifenge_command(root, out, workers=rng.choice([0, 1])), command=PREPARED)
    second = start(*aifenge_command(root, out, workers=rng.choice([0, 1])), command=PREPARED)
    for process in (first, second):
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    let_go(first)
    time.sleep(rng.choice([0.0, 0.0, 0.01, 0.05, 0.2, 0.5]) * rng.random())
    let_go(second)
    results = [finish(process) for process in (first, second)]
    codes = sorted(done.returncode for done in results)
    assert codes in ([0, 0], [0, ENVIRONMENT]), [done.stderr for done in results]
    for done in results:
        if done.returncode == ENVIRONMENT:
            assert "another run" in done.stderr
            assert str(out) in done.stderr
            assert "what to do: " in done.stderr
    assert difference(tree(out), alone) == []


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_the_second_run_is_refused_in_time_and_names_the_first(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "D"
    second = start(*aifenge_command(root, out), command=PREPARED)
    assert second.stdout is not None
    second.stdout.readline()
    first = start(*aifenge_command(root, out))
    wait_for_file(out / ".curate" / "journal.jsonl")
    met = time.monotonic()
    let_go(second)
    refused = finish(second)
    taken = time.monotonic() - met
    assert finish(first).returncode == 0
    assert refused.returncode == ENVIRONMENT
    assert f"process {first.pid} on " in refused.stderr
    assert taken < REFUSE_WITHIN_S


def test_another_command_in_the_folder_is_refused_and_harms_nothing(
    root: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "D"
    first = start(*aifenge_command(root, out))
    wait_for_file(out / ".curate" / "journal.jsonl")
    other = finish(start(*aifenge_command(root, out), "--threshold", 99, "--overwrite", command=CURATE))
    assert finish(first).returncode == 0
    # Refused while the first is at work; when the first was quicker, its dataset was replaced as the user asked
    assert other.returncode in {0, ENVIRONMENT}
    if other.returncode == ENVIRONMENT:
        assert difference(tree(out), alone) == []


@pytest.mark.parametrize("moment", ["lock", "journal.jsonl"])
def test_a_killed_holder_is_recovered_without_anybodys_help(
    moment: str, root: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "D"
    holder = start(*aifenge_command(root, out))
    wait_for_file(out / ".curate" / moment)
    holder.kill()
    finish(holder)
    started = time.monotonic()
    assert go_on(root, out) == 0
    assert time.monotonic() - started < 5.0 + 5.0  # the whole work again, and no waiting
    assert difference(tree(out), alone) == []
