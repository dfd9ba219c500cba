"""Kills at random moments: what a build that was stopped and went on leaves must be that of one that ran through.

For every night: `make nightly`. The number of kills is `CURATE_BENCH_KILLS`. Where a byte differs, both files go to
`CURATE_BENCH_KEEP` with what there is to know of the run, and the program ends with exit code 1.
"""

from __future__ import annotations

import json
import os
import platform
import random
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from curation.images.pixels import decode_image
from tests.bench.aifenge import COPIES, portraits
from tests.bench.measuring import say, sized
from tests.pipelines.commands import DONE, difference, finish, run, start, tree

KILLS = int(os.environ.get("CURATE_BENCH_KILLS", sized(200, short=1)))
KEEP = Path(os.environ.get("CURATE_BENCH_KEEP", "kills"))
HIDDEN = ".curate"
"""Where work is kept between runs; what is in it depends on where a run was stopped."""
MOST_PER_BUILD = 4


def bench(folder: Path) -> None:
    """Print how many builds were killed, and how many of them ended with other bytes."""
    root = folder / "kills-source"
    files = [path for path in portraits(folder).rglob("*.*") if not path.name.startswith("._")]
    for path in sorted(files)[::COPIES]:
        target = root / path.relative_to(folder / "aifenge")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(path)
    out = folder / "killed"
    command = ["aifenge", "--root", root, "--trimap-kernel", "auto", "--out", out, "--quiet", "--workers", 2]
    began = time.monotonic()
    assert run(*command).returncode in DONE
    whole, seconds = kept(out), time.monotonic() - began
    say(f"\nKills: {KILLS} of a build with {len(whole)} files that takes {seconds:.1f} s")
    rng = random.Random(0)
    killed = builds = other = 0
    while killed < KILLS:
        shutil.rmtree(out)
        moments = [rng.uniform(0, seconds) for _ in range(rng.randint(1, MOST_PER_BUILD))]
        killed += sum(kill_after(moment, command=command) for moment in moments)
        done = run(*command)
        assert done.returncode in DONE, done.stderr
        builds += 1
        if wrong := difference(kept(out), whole):
            other += 1
            keep(wrong, out=out, whole=whole, told={"build": builds, "moments": moments})
    say(f"  {killed} kills, {builds} builds that went on: {other} with other bytes")
    if other:
        say(f"  both versions of each file are in {KEEP}/")
        sys.exit(1)


def kill_after(seconds: float, *, command: Sequence[object]) -> bool:
    """Start a command and kill it and its workers after some time; tell whether it was still running."""
    process = start(*command)
    time.sleep(seconds)
    was_running = process.poll() is None
    if was_running:
        os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    return was_running


def kept(out: Path) -> dict[str, bytes]:
    """Return the files of a dataset that have to be the same."""
    return {name: data for name, data in tree(out).items() if HIDDEN not in Path(name).parts}


def keep(names: Sequence[str], *, out: Path, whole: dict[str, bytes], told: dict[str, object]) -> None:
    """Keep both versions of files that differ, and say whether their pixels do."""
    place = KEEP / str(told["build"])
    for name in names:
        now, before = (out / name).read_bytes() if (out / name).is_file() else b"", whole.get(name, b"")
        for version, data in (("now", now), ("before", before)):
            target = place / version / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        told[name] = f"{len(before)} bytes, now {len(now)}"
        if name.endswith(".png") and now and before:
            same = (decode_image(now, file=name) == decode_image(before, file=name)).all()
            told[name] = f"{told[name]}, {'the same' if same else 'other'} pixels"
        say(f"  DIFFERS after kills of build {told['build']}: {name}: {told[name]}")
    cpu = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    (place / "run.json").write_text(json.dumps({**told, "platform": platform.platform(), "cpu": cpu}, indent=1))
