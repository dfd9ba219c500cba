"""`curate benchmark`: models beside each other, in each runtime: time, memory, size, work, and with data mIoU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from curation.errors import InputRefused
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import progress_bar

if TYPE_CHECKING:
    from models.benchmark.measure import Measured, Row
    from models.benchmark.subjects import Subject

JSON, MARKDOWN, PLOT = "benchmark.json", "benchmark.md", "benchmark.svg"
HEAD: Final = (
    *("model", "runtime", "device", "load ms", "first ms", "median ms", "p95 ms", "images/s", "faster"),
    *("peak MB", "file MB", "parameters", "MACs", "traffic MB"),
)
WITH_DATA: Final = ("mIoU", "Std")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkFlags:
    """What to measure, and how."""

    model: tuple[Path, ...] = setting(
        "Run folders, models of other tools with a card, models in the registry, and what `curate export` wrote.",
        metavar="M...",
    )
    data: tuple[Path, ...] = setting(
        "Datasets with labels: mIoU and Std come into the table.", default=(), metavar="D..."
    )
    split: Literal["train", "val", "test", "all"] = setting("Of --data.", default="all")
    runtime: tuple[Literal["torch", "onnxruntime", "openvino", "ncnn"], ...] = setting(
        "Only in these runtimes.  [default: all that run the model here]", default=()
    )
    threads: int = setting("Threads of the runtime; several wait for each other where a machine is busy.", default=1)
    runs: int = setting("Images that are timed, one by one.", default=100)
    seconds: float = setting("Time them for so long at most, but 10 of them.", default=20.0)
    out: Path | None = setting(
        f"Also write {JSON}, {MARKDOWN} and, with --data, {PLOT} into this folder.", default=None, metavar="DIR"
    )

    def __post_init__(self) -> None:
        """Refuse numbers that can do nothing."""
        if self.threads < 1 or self.runs < 1 or not self.seconds > 0:
            raise click.UsageError("--threads, --runs and --seconds must be above 0")


def benchmark(settings: BenchmarkFlags, *, run: RunOptions) -> Result:
    """Measure models in every runtime that runs them here: one table of cost, and with --data of worth.

    Each model in each runtime runs in a process of its own. Times are of the network alone, on an image that is
    prepared; a machine that does other work beside it makes them too long. MACs and traffic (the bytes that all layers
    read and write) are counted in the graph. "faster" compares with the model that a file was exported from, where that
    is measured too, in the same runtime. mIoU and Std are those of `curate evaluate`.

    \b
    Example:  curate benchmark --model runs/unet unet-int8.onnx phone/unet.param --data data/test --out costs
    """
    # Here, so that -h does not wait for numpy
    from models.machine import is_busy, processor

    if settings.out is not None:
        _refuse_other(settings.out, run=run)
    rows = _rows(settings, run=run)
    subjects = _subjects(settings, rows=rows, run=run)
    if run.dry_run:
        return _planned(subjects, rows=rows)
    busy = is_busy()  # before: the measurement itself is work
    found = _measured(subjects, rows=rows, settings=settings, run=run)
    data = {
        "command": "benchmark",
        "processor": processor(),
        "threads": settings.threads,
        "images": len(rows),
        "rows": [_as_data(one, rows=found) for one in found],
    }
    lines = _table(found)
    if settings.out is not None:
        _write(settings.out, found=found, data=data, lines=lines)
        data |= {"out": str(settings.out)}
        lines.append(f"written: {settings.out / MARKDOWN}")
    broken = list(dict.fromkeys(text for one in found for text in one.broken))
    warnings = [f"left out: {text}" for text in broken]
    if busy:
        warnings.append("the machine is busy with other work: times are too long; compare those of one run alone")
    return Result.of(lines, data, warnings=warnings, set_aside=broken or sum(one.not_finite for one in found))


def _refuse_other(out: Path, *, run: RunOptions) -> None:
    if not run.overwrite and (out / JSON).exists():
        raise InputRefused(
            "a benchmark was written here before, and times do not repeat",
            where=out / JSON,
            remedy="choose another --out, or replace it with --overwrite",
        )


def _rows(settings: BenchmarkFlags, *, run: RunOptions) -> list[Row]:
    if not settings.data:
        return []
    from models.evaluation.choose_sets import SetChoice, choose_sets

    sets = choose_sets(settings.data, choice=SetChoice(splits=(settings.split,), query=None, limit=run.limit))
    return [(one.dataset.folder, row) for one in sets for row in one.rows]


def _subjects(settings: BenchmarkFlags, *, rows: Sequence[Row], run: RunOptions) -> list[Subject]:
    """Return every model in every runtime; a model that is refused stops the command before any time is measured.

    Models of one name are called by their paths.
    """
    from models.benchmark.subjects import subjects_of
    from models.prediction.checks.real_pictures import samples_of

    samples = [] if run.dry_run else samples_of((folder, [row]) for folder, row in rows)
    found = [
        subject
        for path in dict.fromkeys(settings.model)
        for subject in subjects_of(path, options=run.predicting, runtimes=settings.runtime, samples=samples)
    ]
    names = Counter(name for name, _ in {(one.name, one.path) for one in found})
    return [replace(one, name=one.path) if names[one.name] > 1 else one for one in found]


def _measured(
    subjects: Sequence[Subject], *, rows: Sequence[Row], settings: BenchmarkFlags, run: RunOptions
) -> list[Measured]:
    from models.benchmark.measure import Task, measured

    task = Task(threads=settings.threads, runs=settings.runs, seconds=settings.seconds, rows=rows)
    found: list[Measured] = []
    with progress_bar("benchmark", total=len(subjects), run=run, unit="model") as show:
        for subject in subjects:
            found.append(measured(subject, task=task))
            show(len(found))
    return found


def _planned(subjects: Sequence[Subject], *, rows: Sequence[Row]) -> Result:
    told = [{"model": one.name, "runtime": one.runtime, "device": one.device} for one in subjects]
    lines = [f"{len(subjects)} to measure, {len(rows)} images to score (dry run, nothing is measured)"]
    lines += [f"  {one.name} in {one.runtime} on {one.device}" for one in subjects]
    return Result.of(lines, {"command": "benchmark", "images": len(rows), "rows": told, "dry_run": True})


def _as_data(one: Measured, *, rows: Sequence[Measured]) -> dict[str, Any]:
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(one) | {"input_size": list(one.input_size), "broken": list(one.broken)}
    return fields | {"faster": _faster(one, rows=rows)}


def _faster(one: Measured, *, rows: Sequence[Measured]) -> float | None:
    """Return how many times as fast it is as the model that it was exported from; None where that is not beside it."""
    place = (one.of, one.runtime, one.device)
    before = next((row for row in rows if (row.sha256, row.runtime, row.device) == place), None)
    return None if before is None else before.median_ms / one.median_ms


def _table(found: Sequence[Measured]) -> list[str]:
    """Return a table of Markdown, which people read as it is."""
    with_data = any(one.scored or one.not_finite for one in found)
    head = HEAD + (WITH_DATA if with_data else ())
    body = [_cells(one, rows=found)[: len(head)] for one in found]
    widths = [max(len(line[column]) for line in (head, *body)) for column in range(len(head))]
    lines = [_line(line, widths=widths) for line in (head, *body)]
    lines.insert(1, _line(["-" * width for width in widths], widths=widths))
    return lines


def _line(cells: Sequence[str], *, widths: Sequence[int]) -> str:
    return f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |"


def _cells(one: Measured, *, rows: Sequence[Measured]) -> list[str]:
    from pipelines.training.models import short

    times = [f"{value:.2f}" for value in (one.load_ms, one.first_ms, one.median_ms, one.p95_ms)]
    counts = ["-" if value is None else short(value) for value in (one.parameters, one.multiply_adds)]
    faster = _faster(one, rows=rows)
    scores = ["-" if value is None else f"{value:.4f}" for value in (one.miou, one.std)]
    return [
        *(
            one.model,
            one.runtime,
            one.device,
            *times,
            f"{one.images_per_s:.1f}",
            "-" if faster is None else f"{faster:.2f}x",
        ),
        *(_megabytes(one.peak_bytes), _megabytes(one.file_bytes), *counts, _megabytes(one.memory_traffic), *scores),
    ]


def _megabytes(number: int | None) -> str:
    return "-" if number is None else f"{number / 1e6:.2f}"


def _write(out: Path, *, found: Sequence[Measured], data: dict[str, Any], lines: Sequence[str]) -> None:
    import msgspec

    from curation.storage.files import make_folder, write_durable

    make_folder(out)
    table = "\n".join(lines)
    if any(one.miou is not None for one in found):
        from models.benchmark.plot import scatter

        write_durable(out / PLOT, scatter(found))
        table += f"\n\n![mIoU over the time of an image]({PLOT})"
    head = f"{data['processor']}, {data['threads']} thread{'s' if data['threads'] > 1 else ''}"
    write_durable(out / MARKDOWN, f"{head}\n\n{table}\n".encode())
    write_durable(out / JSON, msgspec.json.format(msgspec.json.encode(data), indent=2))
