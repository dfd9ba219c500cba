"""What correcting the doubtful tenth of the labels recovers where a fifth is wrong: `curate simulate --wrong`.

A network learns 150 labels of the pool of `selection` from nothing: all right, a fifth of them wrong, and with 15 of
them looked at that are drawn, or that the verdict with MediaPipe Selfie as teacher doubts most. What was made stays in
`bench/selection`, so that a stopped benchmark goes on; `CURATE_BENCH_SEEDS=1` runs the first seed alone.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from tests.bench.measuring import say, sized
from tests.bench.selection import FOLDER, NETWORK, SEEDS, prepare_pool, simulated

WRONG: Final = 0.2
LABELS: Final = sized(150, short=40)
DOUBTED: Final = 0.1
"""Share of the labels that are looked at."""
MUST_RECOVER: Final = 0.7
PLAIN: Final = {**NETWORK, "keep": "last", "ema": 0}
STAGE: Final = {"name": "labels", "epochs": sized(60, short=1), "batch_size": 16, "learning_rate": 0.008}
"""Without augmentation, and with the weights of the last epoch, a network takes wrong labels in."""


def bench() -> None:
    """Print what share of the gap between wrong and right labels correcting recovers."""
    prepare_pool()
    (FOLDER / "nothing.yaml").write_text(yaml.safe_dump({**PLAIN, "stages": [{**STAGE, "augmentation": "none"}]}))
    number = round(DOUBTED * LABELS)
    say(f"\nA fifth of {LABELS} labels wrong, {number} looked at: {NETWORK['network']}, {len(SEEDS)} seeds")
    doubted = ("--wrong", WRONG, "--budget", number, "--rounds", 1, "--select", "verdict", "--limit", LABELS)
    for line in told_recovered(simulated("wrong", *doubted, config="nothing.yaml")):
        say(f"  {line}")


def told_recovered(found: dict[str, Any]) -> list[str]:
    """Return for each selection what share of the gap it recovers, and whether that is enough."""
    lines = []
    for one in found["strategies"]:
        share = one["recovered"] or {"value": None, "low": None, "high": None}
        if share["value"] is None:
            lines.append(f"{one['strategy']}: wrong labels cost nothing here")
            continue
        if share["low"] is None:
            lines.append(
                f"{one['strategy']}: {share['value']:.0%} of a gap that is no larger than chance: it tells nothing"
            )
            continue
        reached = "reached" if share["value"] >= MUST_RECOVER else "not reached"
        interval = f"{share['low']:.0%} to {share['high']:.0%}"
        lines.append(f"{one['strategy']}: {share['value']:.0%} of the gap ({interval}); {MUST_RECOVER:.0%} {reached}")
    return lines
