"""`curate stats`: what is in a dataset, and with `--verify` whether its files are sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.licenses import RESTRICTIONS
from curation.dataset.made_before import Touched, made_before
from curation.operations.find_colours import DatasetColours
from curation.operations.statistics import AreaSpread, Range, Statistics, describe
from curation.operations.verify import Verified, verify
from curation.quarantine import QuarantineRecord
from models.evaluation.score_table import outdated_ids
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import progress_bar
from pipelines.sources.make_dataset import count_lines

REFUSED: Final = 4
BAR_WIDTH: Final = 40
NAMES_SHOWN: Final = 8
PROBLEMS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsFlags:
    """What to look at, and how closely."""

    datasets: tuple[Path, ...] = setting("The datasets to look at.", positional=True, metavar="D...")
    verify: bool = setting(
        "Read every file again and check hash, size, pixels and values; nothing is changed.", default=False
    )


def stats(settings: StatsFlags, *, run: RunOptions) -> Result:
    """Print the content of a dataset: counts, sources, splits, licences, person areas, sizes.

    With --verify each file is read and decoded again: the hash of every image, the size and values of every mask. Also
    told is which images have colours that are not sRGB, and what faults of earlier versions may be in the dataset.
    Problems are listed and the exit code is 4; nothing on the disk is changed.

    \b
    Example:  curate stats data/training --verify
    """
    lines: list[str] = []
    data: list[dict[str, Any]] = []
    problems = 0
    for folder in settings.datasets:
        dataset = read_dataset(folder)
        statistics = describe(dataset)
        told: dict[str, Any] = msgspec.to_builtins(statistics)
        lines += statistic_lines(statistics)
        outdated = len(outdated_ids(dataset))
        told["scores_outdated"] = outdated
        if outdated:
            lines.append(f"  OUTDATED     {outdated} samples have scores and verdicts of an older label; mine again")
        if settings.verify:
            found = _verify(dataset, run=run)
            told |= msgspec.to_builtins(found)
            lines += problem_lines(found.problems, samples=len(dataset))
            lines += colour_lines(found.colours)
            touched = made_before(dataset)
            told["made_before"] = [asdict(one) for one in touched]
            lines += touched_lines(touched)
            problems += len(found.problems)
        data.append(told)
    return Result(
        summary="\n".join(lines),
        data={"command": "stats", "datasets": data, "problems": problems},
        exit_code=REFUSED if problems else 0,
    )


def statistic_lines(statistics: Statistics) -> list[str]:
    """Return the numbers of a dataset as lines for people."""
    s = statistics
    lines = [
        f"{s.folder}: {s.samples} samples, made by curate {s.command}",
        *count_lines(s.counts, records=s.records),
        _line("sources", s.by_source),
        _line("splits", s.by_split),
        _line("licences", s.by_license, between=f"\n{'':15}"),
        *_restriction_lines(s),
        _line("labels", {f"version {version}": number for version, number in s.by_label_version.items()}),
        *([_line("labels by", s.by_label_source)] if s.by_label_source else []),
        _line("persons", {"not counted" if name == "none" else name: number for name, number in s.by_persons.items()}),
        f"  {'files':<12} {s.with_mask} masks, {s.with_alpha} alphas, {s.with_trimap} trimaps",
        f"  {'size':<12} width {_range(s.width_px)}, height {_range(s.height_px)} px (least - median - most)",
        f"  {'groups':<12} {s.groups}",
    ]
    if s.groups_across_splits:
        lines.append(f"  LEAK         {s.groups_across_splits} groups lie in more than one split; see curate split -h")
    if s.columns_added:
        lines.append(f"  {'added':<12} " + ", ".join(f"{name} ({kind})" for name, kind in s.columns_added.items()))
    if s.reread:
        told = ", ".join(f"{name.replace('_', ' ')} of {number}" for name, number in s.reread.items())
        lines.append(f"  {'older form':<12} read again: {told}; `curate merge` or `split` writes them so")
    if s.parents:
        lines.append(f"  {'parents':<12} " + ", ".join(s.parents))
    return [*lines, *area_lines(s.person_area)]


def _restriction_lines(statistics: Statistics) -> list[str]:
    numbers = {said: getattr(statistics, name) for name, said in RESTRICTIONS.items()}
    return [f"  {'LICENCE':<12} {number} samples {said}" for said, number in numbers.items() if number]


def area_lines(spread: AreaSpread) -> list[str]:
    """Return quantiles and a histogram of the person area, in percent of the frame."""
    if spread.p5 is None or spread.p50 is None or spread.p95 is None:
        return ["  person area  unknown"]
    quantiles = f"p5 {spread.p5:.1%}, p50 {spread.p50:.1%}, p95 {spread.p95:.1%} of the frame"
    unknown = f"; {spread.unknown} unknown" if spread.unknown else ""
    most = max(spread.histogram)
    bars = [
        f"    {10 * index:>3}-{10 * index + 10:>3} %  {'█' * round(BAR_WIDTH * number / most):<{BAR_WIDTH}} {number:>7}"
        for index, number in enumerate(spread.histogram)
    ]
    return [f"  person area  {quantiles}{unknown}", *bars]


def problem_lines(problems: list[QuarantineRecord], *, samples: int) -> list[str]:
    """Return what `--verify` found as lines for people."""
    if not problems:
        return [f"  verified     {samples} samples, all files sound"]
    lines = [f"  verified     {samples} samples; PROBLEMS: {len(problems)}"]
    lines += [f"    {p.code}  {p.file}: {p.reason}\n      what to do: {p.hint}" for p in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"    ... {len(problems) - PROBLEMS_SHOWN} more; --json lists all")
    remedy = "restore these files, or leave the samples out: curate merge D --where 'id not in [...]' --out D2"
    lines.append(f"    {remedy}")
    return lines


def colour_lines(colours: DatasetColours) -> list[str]:
    """Return what `--verify` found of colours that are not sRGB as lines for people; nothing where all are."""
    lines = []
    if colours.converted:
        names = _line("", dict(colours.converted)).strip()
        lines.append(f"  colours      {colours.number_converted} images are brought to sRGB by their profile: {names}")
    if colours.unused:
        lines.append(f"  colours      {len(colours.unused)} images are read as sRGB: their profile cannot be used")
        lines += [f"    {record.file}: {record.reason}" for record in colours.unused[:NAMES_SHOWN]]
    return lines


def touched_lines(touched: Sequence[Touched]) -> list[str]:
    """Return what an earlier version may have left in a dataset as lines for people, with what to run."""
    lines = [f"  made before  {one.samples} samples {one.said}\n      what to do: {one.remedy}" for one in touched]
    return ["  made before  by a version whose faults it may have:", *lines] if lines else []


def _verify(dataset: Dataset, *, run: RunOptions) -> Verified:
    with progress_bar("verify", total=len(dataset), run=run) as show:
        return verify(dataset, runner=run.runner, progress=show)


def _line(title: str, numbers: dict[str, int], *, between: str = ", ") -> str:
    shown = [f"{name} ({number})" for name, number in list(numbers.items())[:NAMES_SHOWN]]
    more = [f"... {len(numbers) - NAMES_SHOWN} more"] if len(numbers) > NAMES_SHOWN else []
    return f"  {title:<12} {between.join([*shown, *more]) or 'none'}"


def _range(pixels: Range | None) -> str:
    return "unknown" if pixels is None else f"{pixels.low} - {pixels.median} - {pixels.high}"
