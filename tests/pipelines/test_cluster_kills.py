"""A machine of a cluster is killed, then the command, at random moments: the next run ends with every byte."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from curation.cluster.shards import ROWS
from tests.pipelines.commands import CURATE, difference, draw_aifenge, go_on, tree
from tests.raylets import HAS_RAY, Raylets, kill, raylets

pytestmark = [pytest.mark.nightly, pytest.mark.skipif(not HAS_RAY, reason="the extra ray is not installed")]
PATIENCE_S = 240.0


@pytest.mark.parametrize(("driver_kills", "samples"), [(1, 800), (20, 6000)])
def test_what_is_killed_goes_on_and_nothing_is_lost_or_doubled(driver_kills: int, samples: int, tmp_path: Path) -> None:
    root, rng = draw_aifenge(tmp_path / "aifenge", samples=samples), random.Random(driver_kills)
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    assert go_on(root, tmp_path / "here/made") == 0
    out = tmp_path / "there/made"
    with raylets(nodes=2) as cluster:
        first = start(root, out, cluster=cluster)
        _wait_for_lines(out, process=first, more_than=1)
        kill(cluster.nodes[1])
        _wait_for_lines(out, process=first, more_than=lines(out))
        end(first)
        left = [lines(out)]
        while len(left) < driver_kills and left[-1]:  # none where it came to its end before it was killed
            again = start(root, out, cluster=cluster)
            _wait(rng.uniform(0, 10), out=out, most=left[-1] + samples // driver_kills)
            end(again)
            left.append(lines(out))
        print("lines of the journal after each kill:", *left)
        done = start(root, out, cluster=cluster)
        _, said = done.communicate(timeout=PATIENCE_S)
        assert done.returncode == 0, said
    assert left[0] > 1
    assert len(left) > driver_kills // 2, "the kills came after the end"
    assert json.loads((out / "dataset.json").read_text())["counts"]["selected"] == samples
    assert difference(tree(tmp_path / "there"), tree(tmp_path / "here")) == []


def start(root: Path, out: Path, *, cluster: Raylets) -> subprocess.Popen[str]:
    """Start the command on the cluster."""
    return subprocess.Popen(
        [*CURATE, "aifenge", "--root", root, "--out", out, "--engine", "ray"],
        env=cluster.joined(**{ROWS: "100"}),
        cwd=cluster.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _wait(seconds: float, *, out: Path, most: int) -> None:
    """Wait for so long, but no longer than until the journal has so many lines: a quick machine has more left to do."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and lines(out) < most:
        time.sleep(0.05)


def end(process: subprocess.Popen[str]) -> None:
    """Kill a command at once."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def lines(out: Path) -> int:
    """Return the lines of the journal; a header, and one for each sample that is done."""
    journal = out / ".curate/journal.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def _wait_for_lines(out: Path, *, process: subprocess.Popen[str], more_than: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while lines(out) <= more_than and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
