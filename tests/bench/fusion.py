"""Fusion: the blend against the source's formula, `curate fuse` with and without estimation, and the soft edge."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from curation.fusion.fuse import FusionRules
from curation.matting.composite import composite, person_colours
from models.data.fuse_on_the_fly import TrainingFusion
from tests.bench.measuring import CURATE, median_run, say, seconds_of, sized
from tests.curation.fusion.fusion_data import grounds, persons
from tests.curation.fusion.fusion_truth import by_the_source, drawn_truth, halo, soft_error
from tests.places import REAL_DATA

SIZE = (600, 800)
NETWORK_SIZE = (224, 224)
SEEDS = range(sized(5, short=1))
SAMPLES = sized(48, short=8)


def bench(folder: Path) -> None:
    """Print the figures of fusion."""
    say(f"\nfusion: frames of {SIZE[0]} x {SIZE[1]}, persons and backgrounds drawn")
    bench_blend()
    bench_edges()
    bench_command(folder)
    bench_training(folder)


def bench_blend() -> None:
    """Compare the exactly rounded blend with the source's, and with float64 rounded once."""
    truth = drawn_truth(0, size=SIZE)
    photograph = truth.photograph
    ours = seconds_of(lambda: composite(photograph, alpha=truth.alpha, background=truth.new), times=21)
    source = seconds_of(
        lambda: by_the_source(photograph, alpha=truth.alpha, background=truth.new).astype(np.uint8), times=21
    )
    share = truth.alpha[:, :, None].astype(np.int64)
    sums = share * photograph + (255 - share) * truth.new
    exact = np.array_equal(composite(photograph, alpha=truth.alpha, background=truth.new), (2 * sums + 255) // 510)
    say(f"  blend: {ours * 1e3:.2f} ms, source's float64 {source * 1e3:.2f} ms -> {source / ours:.1f} times faster")
    say(f"  every pixel rounded exactly: {exact}")


def bench_edges() -> None:
    """Compare colours in the soft edge with the truth: estimated, observed, and by the source's formula."""
    errors, halos = np.zeros(3), np.zeros(3)
    for seed in SEEDS:
        truth = drawn_truth(seed, size=SIZE)
        photograph, alpha = truth.photograph, truth.alpha
        results = (
            composite(person_colours(photograph, alpha=alpha), alpha=alpha, background=truth.new),
            composite(photograph, alpha=alpha, background=truth.new),
            by_the_source(photograph, alpha=alpha, background=truth.new),
        )
        errors += [soft_error(one, truth=truth) / len(SEEDS) for one in results]
        halos += [halo(one, truth=truth) / len(SEEDS) for one in results]
    names = ("estimated", "observed colours", "source's formula")
    told = ", ".join(f"{name} {error:.2f} (halo {value:+.2f})" for name, error, value in zip(names, errors, halos))
    say(f"  soft edge, mean error in grey levels: {told}")
    say(f"  -> {errors[2] / errors[0]:.1f} times less than the source's")


def bench_command(folder: Path) -> None:
    """Time the command with 2 workers, start-up included."""
    front, back = _portraits(folder), folder / "fusion-grounds"
    grounds(back, [f"b{number}" for number in range(10)], scale=12)
    command = [
        str(CURATE),
        "fuse",
        "--foregrounds",
        str(front),
        "--backgrounds",
        str(back),
        "--workers",
        str(sized(2, short=0)),
        "--quiet",
    ]
    for name, more in (("with estimation", []), ("without", ["--keep-edges"])):
        times = []
        for samples in (SAMPLES // 4, SAMPLES):
            out = str(folder / f"fused-{len(more)}-{samples}")
            told = [*command, *more, "--out", out, "--overwrite", "--limit", str(samples)]
            times.append(median_run(told, times=1)[0])
        rate = (SAMPLES - SAMPLES // 4) / (times[1] - times[0])
        say(f"  curate fuse {name}, 2 workers: {rate:.1f} samples a second after a start of {times[0]:.0f} s")


def bench_training(folder: Path) -> None:
    """Time what fusion adds to a sample of 224 x 224 that trains."""
    truth = drawn_truth(0, size=NETWORK_SIZE)
    mask = np.where(truth.alpha > 127, np.uint8(255), np.uint8(0))
    back = grounds(folder / "training-grounds", ["x"], scale=12)
    fusion = TrainingFusion(backgrounds=(back.folder / "images/x.png",), ratio=1.0, rules=FusionRules(estimate=False))
    colours, alpha = fusion.cut_out(truth.photograph, mask, is_alpha=False)
    once = seconds_of(lambda: fusion.cut_out(truth.photograph, mask, is_alpha=False), times=11)
    each = seconds_of(lambda: fusion.lay(colours, alpha, np.random.default_rng(0)), times=51)
    say(f"  in training: {once * 1e3:.1f} ms once for a person, {each * 1e3:.2f} ms each time it is fused")


def _portraits(folder: Path) -> Path:
    """Return a dataset of persons: the real portraits where they are, else drawn ones."""
    data, out = REAL_DATA / "data" / "portraits", folder / "fusion-persons"
    if data.is_dir():
        masks = ["--images", str(data / "images"), "--masks", str(data / "masks"), "--fit"]
        median_run([str(CURATE), "pairs", *masks, "--out", str(out), "--quiet"], times=1)
    else:
        persons(out, [f"p{number}" for number in range(SAMPLES)])
    return out
