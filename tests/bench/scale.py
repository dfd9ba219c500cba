"""Manifests of many rows: seconds and peak memory of what reads them, from ten thousand rows to ten million.

The rows are drawn, and there are no images: `merge` and `mine` are planned (`--dry-run`), which reads the manifests.
`merge` itself is measured on rows that each have a file, `CURATE_BENCH_FILES` of them at most; `mine` on rows that a
model has scored already, `CURATE_BENCH_SCORED` of them at most: scores are gathered, judged, written and joined with
the rows, and the hard cases, one of a thousand, are made.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench.measuring import CURATE, IS_SHORT, child, run_measured, say

SIZES: Final = tuple(map(int, os.environ.get("CURATE_BENCH_ROWS", "10000 100000 1000000").split()))
"""Ten million more take ten minutes: CURATE_BENCH_ROWS="10000 100000 1000000 10000000"."""
FILES: Final = int(os.environ.get("CURATE_BENCH_FILES", "100000"))
SCORED: Final = int(os.environ.get("CURATE_BENCH_SCORED", "1000000"))
DRAWN: Final = 1
"""So many of the worst samples are drawn: there are as many hard ones at least."""
QUERY: Final = "person_area > 0.5 and source == 'coco/train2017'"


def bench(folder: Path) -> None:
    """Print the tables of docs/scale.md."""
    model, _ = child("tests.bench.drawn_manifests:write_model", folder / "scale.onnx")
    sizes = (100, 1000) if IS_SHORT else SIZES
    say("\n| rows | manifest | command | seconds | peak memory |\n|---:|---:|---|---:|---:|")
    for number in sizes:
        data = folder / f"scale-{number}"
        size, _ = child("tests.bench.drawn_manifests:write_drawn", data, number)
        pool = folder / f"pool-{number}"
        child("tests.bench.drawn_manifests:write_unlabelled", pool, number)
        for name, arguments in commands(data, pool=pool, model=Path(model)).items():
            run = run_measured([str(CURATE), *map(str, arguments)])
            say(f"| {number:,} | {size / 1e6:,.1f} MB | `{name}` | {run.seconds:,.1f} | {run.peak_mb:,.0f} MB |")
        for path in (data, pool):
            shutil.rmtree(path)
    bench_merge(folder, sizes=[number for number in sizes if number <= FILES])
    bench_prelabel(folder, model=Path(model), sizes=[number for number in sizes if number <= FILES])
    scored = [number for number in sizes if number <= SCORED]
    bench_mine(folder, model=Path(model), sizes=scored)
    bench_evaluate(folder, model=Path(model), sizes=scored)


def bench_evaluate(folder: Path, *, model: Path, sizes: Sequence[int]) -> None:
    """Print what `evaluate` takes after the last prediction, of a model alone and beside a baseline."""
    say("\n| rows, each scored twice | command | seconds of one processor | peak memory |\n|---:|---|---:|---:|")
    for number in sizes:
        data, out = folder / f"scored-{number}", folder / f"scored-{number}-out"
        child("tests.bench.drawn_scores:write_to_mine", data, number)
        child("tests.bench.drawn_scores:write_evaluated", model, data, out, DRAWN)
        command = [CURATE, "evaluate", "--model", model, "--baseline", model, "--data", data, "--out", out]
        run = run_measured([*map(str, command), "--badcases", str(DRAWN), "--json"])
        told = json.loads(run.output)
        assert told["all"]["summary"]["images"] == number, told
        say(f"| {number:,} | `evaluate --baseline` | {run.processor_s:,.1f} | {run.peak_mb:,.0f} MB |")
        shutil.rmtree(data)
        shutil.rmtree(out)


def bench_mine(folder: Path, *, model: Path, sizes: Sequence[int]) -> None:
    """Print what `mine` takes after the last prediction; seconds are those of all its processes."""
    say("\n| rows, each scored | hard | seconds of one processor | peak memory |\n|---:|---:|---:|---:|")
    for number in sizes:
        data, out = folder / f"mined-{number}", folder / f"mined-{number}-out"
        child("tests.bench.drawn_scores:write_to_mine", data, number)
        child("tests.bench.drawn_scores:write_scored", model, data, out)
        run = run_measured(
            [str(CURATE), "mine", "--model", str(model), "--data", str(data), "--out", str(out), "--json"]
        )
        told = json.loads(run.output)
        assert told["notes"]["scored"] == number, told
        say(f"| {number:,} | {told['counts']['selected']:,} | {run.processor_s:,.1f} | {run.peak_mb:,.0f} MB |")
        shutil.rmtree(data)
        shutil.rmtree(out)


def bench_prelabel(folder: Path, *, model: Path, sizes: Sequence[int]) -> None:
    """Print what `prelabel` takes after the last answer of a teacher; seconds are those of all its processes."""
    say("\n| rows, each answered and labelled | seconds of one processor | peak memory |\n|---:|---:|---:|")
    for number in sizes:
        data, out = folder / f"answered-{number}", folder / f"answered-{number}-out"
        child("tests.bench.drawn_manifests:write_with_files", data, number)
        child("tests.bench.drawn_scores:write_answered", model, data, out)
        command = [CURATE, "prelabel", data, "--teacher", model, "--out", out, "--workers", "2", "--json"]
        run = run_measured(list(map(str, command)))
        told = json.loads(run.output)
        assert told["counts"]["selected"] == number, told
        say(f"| {number:,} | {run.processor_s:,.1f} | {run.peak_mb:,.0f} MB |")
        shutil.rmtree(data)
        shutil.rmtree(out)


def bench_merge(folder: Path, *, sizes: Sequence[int]) -> None:
    """Print what `merge` takes with the files of its rows; seconds are those of all its processes."""
    say("\n| rows, each with a file | seconds of one processor | peak memory |\n|---:|---:|---:|")
    for number in sizes:
        data = folder / f"files-{number}"
        child("tests.bench.drawn_manifests:write_with_files", data, number)
        out = data.with_name(f"{data.name}-out")
        run = run_measured([str(CURATE), "merge", str(data), "--out", str(out), "--workers", "2"])
        say(f"| {number:,} | {run.processor_s:,.1f} | {run.peak_mb:,.0f} MB |")
        shutil.rmtree(data)
        shutil.rmtree(out)


def commands(data: Path, *, pool: Path, model: Path) -> dict[str, list[object]]:
    """Return the commands that are measured; `split` comes last, since it changes the manifest."""
    out = data.with_name(f"{data.name}-out")
    return {
        "stats": ["stats", data],
        "merge --dry-run": ["merge", data, "--out", out, "--dry-run"],
        "merge --where --dry-run": ["merge", data, "--where", QUERY, "--out", out, "--dry-run"],
        "mine --dry-run": ["mine", "--model", model, "--data", data, "--split", "all", "--out", out, "--dry-run"],
        "prelabel --dry-run": ["prelabel", pool, "--teacher", model, "--out", out, "--dry-run"],
        "evaluate --dry-run": ["evaluate", "--model", model, "--data", data, "--out", out, "--dry-run"],
        "split": ["split", data],
    }
