"""`curate report`: one page on an evaluation, on a round, or on all rounds of a loop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from curation.errors import CurateError, InputRefused
from pipelines.command_line.options import Result, RunOptions, setting

if TYPE_CHECKING:
    from reports.rounds.read_evaluation import Evaluated
    from reports.rounds.report_page import RunReport
    from reports.rounds.round_record import CostFacts, DataFacts

PICTURES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFlags:
    """What to report on, and where the page goes."""

    run: Path = setting("A folder of `curate evaluate`, of a round, or of rounds.", positional=True, metavar="RUN")
    out: Path | None = setting(
        "The HTML file.  [default: report.html in RUN, index.html for rounds]", default=None, metavar="FILE"
    )
    pdf: bool = setting("Also print it to a PDF file beside the page, with a browser on this machine.", default=False)
    pictures: int = setting("Show up to N gains, losses and bad cases each.", default=PICTURES, metavar="N")

    def __post_init__(self) -> None:
        """Refuse a number that can do nothing."""
        if self.pictures < 0:
            raise click.UsageError(f"--pictures {self.pictures} is negative; give 0 or more")


def report(settings: ReportFlags, *, run: RunOptions) -> Result:
    """Make one page that shows within a minute of reading whether a model is better, where, and at what cost.

    The decision comes first; then numbers with their intervals, slices, the best gains and worst losses as pictures,
    data, curves, cost, and the command to repeat it. The file holds everything, needs no network and opens from the
    disk. For a folder of rounds it makes a page for each round, and one of all.

    \b
    Examples:
      curate evaluate --model runs/unet --baseline sinet.onnx --data data/test --out results
      curate report results --pdf
    """
    from reports.page.pdf import find_browser, write_pdf
    from reports.rounds.index_page import INDEX, REPORT, round_folders

    folder = settings.run
    rounds = round_folders(folder)
    out = settings.out or folder / (INDEX if rounds else REPORT)
    if settings.pdf:
        find_browser()  # a missing browser is reported before the work, not after
    if run.dry_run:
        data = {"command": "report", "out": str(out), "rounds": len(rounds), "dry_run": True}
        return Result(summary=f"{out}: would be written (dry run, nothing is written)", data=data)
    result = _on_rounds(settings, rounds=rounds, out=out, run=run) if rounds else _on_run(settings, out=out, run=run)
    if settings.pdf:
        write_pdf(out, out=out.with_suffix(".pdf"))
        told = f"{result.summary}\n  printed: {out.with_suffix('.pdf')}"
        result = Result(
            summary=told, data=result.data | {"pdf": str(out.with_suffix(".pdf"))}, warnings=result.warnings
        )
    return result


def _on_rounds(settings: ReportFlags, *, rounds: list[Path], out: Path, run: RunOptions) -> Result:
    from reports.rounds.index_page import REPORT, outcome_of, write_index

    warnings = []
    for place in rounds:
        try:
            _write(place, out=place / REPORT, pictures=settings.pictures, run=run)
        except InputRefused as error:  # the other rounds have a page all the same
            warnings.append(str(error))
    found = write_index(settings.run, out=out)
    lines = [
        f"{out}: {len(found)} {'round' if len(found) == 1 else 'rounds'}",
        *(f"  {told.name}: {outcome_of(told)}" for told in found),
    ]
    data: dict[str, Any] = {"command": "report", "out": str(out), "rounds": len(found)}
    return Result.of(lines, data, warnings=warnings)


def _on_run(settings: ReportFlags, *, out: Path, run: RunOptions) -> Result:
    decision = _write(settings.run, out=out, pictures=settings.pictures, run=run)
    size = out.stat().st_size
    data: dict[str, Any] = {"command": "report", "out": str(out), "size_bytes": size, "is_promoted": None}
    lines = [f"{out}: {size / 1e6:.1f} MB"]
    if decision is not None:
        data |= {"is_promoted": decision.is_promoted, "reason": decision.reason, "sentence": decision.sentence}
        lines.append(f"  {decision.sentence}")
    return Result.of(lines, data)


def _write(folder: Path, *, out: Path, pictures: int, run: RunOptions) -> Any:
    from reports.rounds.report_page import write_run_report

    report = read_report(folder, pictures=pictures if run.limit is None else min(pictures, run.limit))
    return write_run_report(report, out=out, runner=run.runner)


def read_report(folder: Path, *, pictures: int = PICTURES) -> RunReport:
    """Gather what the page of a round or of an evaluation stands on.

    Raises InputRefused when the folder is neither, or is damaged.
    """
    from reports.rounds.read_evaluation import read_evaluated
    from reports.rounds.report_page import RunReport
    from reports.rounds.round_record import ROUND, Round, read_round

    if (folder / ROUND).exists():
        told = read_round(folder)
        evaluated = None if told.evaluation is None else read_evaluated(folder / told.evaluation)
        training = None if told.training is None else folder / told.training
        return RunReport(record=told, evaluated=evaluated, training=training, costs=told.costs, pictures=pictures)
    evaluated = read_evaluated(folder)
    told = Round(name=f"Evaluation of {evaluated.model}", command="", data=_data(evaluated))
    training = Path(str(evaluated.metrics["model"]["path"]))
    return RunReport(
        record=told,
        evaluated=evaluated,
        training=training if training.is_dir() else None,
        costs=[cost for path in _model_paths(evaluated) if (cost := cost_facts(path)) is not None],
        pictures=pictures,
    )


def cost_facts(model: Path) -> CostFacts | None:
    """Return what a model costs, None when it is gone; a network of ours also by the clock of this machine."""
    from models.card import read_card
    from models.prediction.find_model import find_model
    from reports.rounds.round_record import CostFacts

    try:
        found = find_model(model)
        card = read_card(found.card)
        size = sum(file.stat().st_size for file in found.files)
    except (CurateError, OSError):
        return None
    counted: dict[str, Any] = {}
    if card.network is not None:
        from models.networks.compare_networks import REPEATS, described, is_busy, machine

        busy = ", busy with other work" if is_busy() else ""
        known = described(card.network, size=card.input_size, with_latency=True)
        told = f"{machine()}{busy}; {datetime.now(UTC):%Y-%m-%d}, the median of {REPEATS} runs"
        counted = {"parameters": known.parameters, "multiply_adds": known.multiply_adds}
        counted |= {"milliseconds": known.milliseconds, "machine": told}
    return CostFacts(name=found.name, file_bytes=size, input_size=card.input_size, **counted)


def _model_paths(evaluated: Evaluated) -> list[Path]:
    told = [evaluated.metrics["baseline"], evaluated.metrics["model"]]
    return [Path(str(model["path"])) for model in told if model is not None]


def _data(evaluated: Evaluated) -> list[DataFacts]:
    from reports.rounds.round_record import data_facts

    return [data_facts(dataset.folder) for dataset in evaluated.datasets.values() if dataset is not None]
