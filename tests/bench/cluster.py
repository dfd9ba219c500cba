"""A cluster on this machine: what it costs beside the local engine, and builds whose machines are killed.

`CURATE_BENCH_CLUSTER` is the number of samples of the first, `CURATE_BENCH_CLUSTER_KILLS` of the second, and
`CURATE_BENCH_KILL_S` the seconds between two kills. A machine of this cluster takes seconds to start: one that leads
and works is never killed, since everything would end with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final

from curation.cluster.shards import ROWS
from tests.bench.measuring import say, sized
from tests.pipelines.commands import CURATE, difference, draw_aifenge, tree
from tests.places import REAL_DATA
from tests.raylets import Raylets, kill, raylets

SAMPLES: Final = int(os.environ.get("CURATE_BENCH_CLUSTER", sized(5_000, short=20)))
KILLED: Final = int(os.environ.get("CURATE_BENCH_CLUSTER_KILLS", sized(20_000, short=100)))
EVERY_S: Final = float(os.environ.get("CURATE_BENCH_KILL_S", "5"))
CORES: Final = 2
CLUSTER_ROWS: Final = str(sized(500, short=25))


def bench(folder: Path) -> None:
    """Print the ratio of the times, and the counts of the kills."""
    _overhead(folder / "overhead")
    _kills(folder / "kills")


def _overhead(folder: Path) -> None:
    """Compare the times of commands, start-up included; the cluster stands already, as a cluster does."""
    root = draw_aifenge(folder / "aifenge", samples=SAMPLES)
    model = REAL_DATA / "models" / "sinet.onnx"
    with raylets(nodes=1, cpus=CORES) as cluster:
        say(f"\nCluster: one machine with {CORES} processors, {SAMPLES} samples; seconds of the whole command")
        here = _timed("aifenge", "--root", root, out=folder / "here", cluster=None)
        there = _timed("aifenge", "--root", root, out=folder / "there", cluster=cluster)
        say(f"  aifenge: local {here:.1f} s, ray {there:.1f} s: {there / here:.2f} times")
        assert difference(_bytes(folder / "there"), _bytes(folder / "here")) == []
        if model.is_file():
            mined = ("mine", "--model", model, "--precision", "fp32", "--data", folder / "here")
            here = _timed(*mined, out=folder / "hard-here", cluster=None)
            there = _timed(*mined, out=folder / "hard-there", cluster=cluster)
            say(f"  mine, SINet: local {here:.1f} s, ray {there:.1f} s: {there / here:.2f} times")


def _timed(*arguments: object, out: Path, cluster: Raylets | None) -> float:
    began = time.perf_counter()
    process = _started(*arguments, out=out, cluster=cluster)
    assert process.wait() in {0, 3}
    return time.perf_counter() - began


def _started(*arguments: object, out: Path, cluster: Raylets | None, **variables: str) -> subprocess.Popen[bytes]:
    engine = "local" if cluster is None else "ray"
    return subprocess.Popen(
        [*CURATE, *map(str, arguments), "--out", out, "--workers", str(CORES), "--engine", engine, "--quiet"],
        env=None if cluster is None else cluster.joined(**variables),
        stdout=subprocess.DEVNULL,
    )


def _bytes(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(folder).items() if name != "dataset.json"}


def _kills(folder: Path) -> None:
    root = draw_aifenge(folder / "aifenge", samples=KILLED)
    assert _started("aifenge", "--root", root, out=folder / "here", cluster=None).wait() == 0
    counts: Counter[str] = Counter()
    with raylets(nodes=2) as cluster:
        began = time.perf_counter()
        build = _started("aifenge", "--root", root, out=folder / "there", cluster=cluster, **{ROWS: CLUSTER_ROWS})
        last = time.perf_counter()
        while build.poll() is None:
            time.sleep(0.2)
            started = cluster.said().count("Ray runtime started")
            if time.perf_counter() - last >= EVERY_S and started == len(cluster.nodes):  # it is up again
                kill(cluster.nodes[-1])
                cluster.add()
                counts["killed"] += 1
                last = time.perf_counter()
        seconds = time.perf_counter() - began
    card = json.loads((folder / "there/dataset.json").read_text())["counts"]
    wrong = difference(_bytes(folder / "there"), _bytes(folder / "here"))
    total = card["selected"] + sum(card["filtered"].values()) + sum(card["quarantined"].values())
    say(
        f"  {KILLED} samples, machines killed {counts['killed']} times in {seconds:.0f} s, exit code {build.returncode}"
    )
    say(f"  considered {card['considered']}, accounted for {total}; files other, missing or doubled: {len(wrong)}")
    if build.returncode or wrong or total != KILLED:
        sys.exit(1)
