"""One page on a run: is the new model better, where, and at what cost. A single file that asks nothing of the network.

Ids, names and error texts come from data that anybody may have made; they reach the page as escaped text alone, and its
policy allows no script, no frame, no font, and no picture but those in the page itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from curation.building.workers import RunnerOptions
from curation.storage.files import write_durable
from models.evaluation.gate import Decision, GateRules, decide
from models.metrics.intervals import RESAMPLES, Interval, Measured
from models.metrics.summary import HARD_BELOW
from reports.page.figures import forest, histogram
from reports.page.templates import refuse_other_page, rendered_page
from reports.rounds.alpha_crops import alpha_crops
from reports.rounds.dead_filters import dead_filters_told
from reports.rounds.pictures import Cases, cases_of
from reports.rounds.read_evaluation import Evaluated, measured, miou_of
from reports.rounds.round_record import CostFacts, Round
from reports.rounds.tables import (
    curve_figures,
    data_rows,
    label_note,
    label_rows,
    lineage_rows,
    repeat_command,
    set_aside_lines,
    share_rows,
    slice_rows,
)

MEANINGS: Final[Mapping[str, tuple[str, str]]] = {
    "miou": ("mIoU", "mean over images"),
    "std": ("Std", "of the mIoU over images; lower is more uniform"),
    "boundary_iou": ("Boundary IoU", "along the outline"),
    "hole_recall": ("Hole recall", "background inside a person that is found"),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunReport:
    """What the page of a run tells; a part that is not known is left out."""

    record: Round
    evaluated: Evaluated | None
    training: Path | None = None
    costs: Sequence[CostFacts] = ()
    pictures: int = 12
    rules: GateRules = field(default_factory=GateRules)


def write_run_report(report: RunReport, *, out: Path, runner: RunnerOptions) -> Decision | None:
    """Write the page to the file `out`, and give what the gate says of the models in it.

    Raises InputRefused when `out` is a file of something else.
    """
    refuse_other_page(out)
    decision = _decision(report)
    write_durable(out, _rendered(report, decision=decision, out=out, runner=runner).encode())
    return decision


def _decision(report: RunReport) -> Decision | None:
    """Return what the gate of a round said, or would say of an evaluation with a baseline."""
    if report.record.decision is not None or report.evaluated is None or report.evaluated.baseline is None:
        return report.record.decision
    return decide(report.evaluated.baseline, challenger=report.evaluated.scores, rules=report.rules)


def _rendered(report: RunReport, *, decision: Decision | None, out: Path, runner: RunnerOptions) -> str:
    told, evaluated = report.record, report.evaluated
    before = {one.name: one for one in told.before}
    values: dict[str, Any] = {name: [] for name in ("names", "measures", "slices", "pictures", "crops", "shares")}
    values |= {"histogram": None, "slice_note": ""}
    if evaluated is not None:
        values |= _numbers(evaluated, decision=decision)
        first = [(one.dataset, one.id) for one in decision.offences] if decision is not None else []
        cases = cases_of(evaluated, number=report.pictures, first=first, runner=runner, work=out.parent)
        values["pictures"] = _sections(cases)
        values["crops"] = alpha_crops(evaluated, number=report.pictures)
    return rendered_page(
        "round_report.html.j2",
        kind="report",
        title=told.name,
        subtitle=_subtitle(told, evaluated=evaluated),
        decided=_told_decision(told, decision=decision, evaluated=evaluated),
        rescored=told.rescored,
        problems=told.problems,
        facts=_facts(evaluated),
        resamples=RESAMPLES,
        data=data_rows(told.data, before=before, has_before=bool(told.before)),
        data_title="What changed in the data" if told.before else "The data",
        labels=label_rows(told.labels, decision=decision, control=told.control),
        label_note=label_note(told.labels, control=told.control),
        set_aside=[] if told.labels is None else set_aside_lines(told.labels.untaken),
        curves=curve_figures(report.training),
        dead=dead_filters_told(report.training),
        costs=report.costs or told.costs,
        lineage=lineage_rows(told, evaluated=evaluated),
        command=told.command or (repeat_command(evaluated) if evaluated is not None else ""),
        **values,
    )


def _numbers(evaluated: Evaluated, *, decision: Decision | None) -> dict[str, Any]:
    found = measured(evaluated)
    if decision is not None and decision.overall.difference is not None:  # the same interval as in the decision
        overall = Interval(
            value=decision.overall.difference, low=decision.overall.low or 0.0, high=decision.overall.high or 0.0
        )
        found["miou"] = replace(found["miou"], difference=overall)
    reach = max((abs(end) for one in found.values() if one.difference for end in _ends(one)), default=0.0)
    names = [name for name in (evaluated.other, evaluated.model) if name]
    tables = [table for table in (evaluated.baseline, evaluated.scores) if table is not None]
    rows = [
        {
            "name": MEANINGS[name][0],
            "meaning": MEANINGS[name][1],
            "found": one,
            "forest": forest(one.difference.low, value=one.difference.value, high=one.difference.high, reach=reach)
            if one.difference is not None and name != "std"
            else None,
        }
        for name, one in found.items()
    ]
    told, note = slice_rows(evaluated, decision=decision)
    return {
        "names": names,
        "measures": rows,
        "shares": share_rows(evaluated),
        "histogram": histogram([miou_of(table) for table in tables], mark=HARD_BELOW),
        "slices": told,
        "slice_note": note,
    }


def _ends(found: Measured) -> tuple[float, float]:
    assert found.difference is not None
    return found.difference.low, found.difference.high


def _told_decision(told: Round, *, decision: Decision | None, evaluated: Evaluated | None) -> dict[str, str]:
    if decision is None:
        summary = {} if evaluated is None else evaluated.metrics["all"]["summary"]
        miou = summary.get("miou_image")
        head = "No model was measured" if miou is None else f"mIoU {miou:.4f} on {summary['images']} images"
        sentence = "There is no other model to compare with." if evaluated is not None else ""
        return {"kind": "no" if told.problems else "", "head": head, "sentence": sentence, "rule": ""}
    is_round = told.decision is not None
    yes, no = ("Promoted", "Not promoted") if is_round else ("Would be promoted", "Would not be promoted")
    rules = decision.rules
    allowed = "" if rules.max_loss is None else f", or no loss of more than {rules.max_loss:g}"
    return {
        "kind": "yes" if decision.is_promoted else "no",
        "head": yes if decision.is_promoted else no,
        "sentence": decision.sentence,
        "rule": f"The rule: a gain in mIoU that the paired bootstrap shows ({rules.confidence:.0%}){allowed}, and no "
        f"slice of {rules.min_images} or more images that loses more than {rules.max_slice_loss:g}.",
    }


def _subtitle(told: Round, *, evaluated: Evaluated | None) -> str:
    if evaluated is None:
        return told.started
    models = f"{evaluated.model} against {evaluated.other}" if evaluated.other else evaluated.model
    return ", ".join(part for part in (models, f"on {', '.join(evaluated.metrics['sets'])}", told.started) if part)


def _facts(evaluated: Evaluated | None) -> list[tuple[str, str]]:
    if evaluated is None:
        return []
    counts = [entry["counts"] for entry in evaluated.metrics["sets"].values()]
    quarantined = sum(sum(one["quarantined"].values()) for one in counts)
    left_out = sum(sum(one["filtered"].values()) for one in counts)
    return [
        ("scored", f"{evaluated.scores.num_rows:,}"),
        ("considered", f"{sum(one['considered'] for one in counts):,}"),
        ("filtered", f"{left_out:,}"),
        ("quarantined", f"{quarantined:,}"),
        ("not finite", f"{evaluated.metrics['all']['summary']['not_finite']:,}"),
    ]


def _sections(cases: Cases) -> list[dict[str, Any]]:
    titles = {"Largest losses": cases.losses, "Best gains": cases.gains, "Bad cases": cases.worst}
    return [{"title": title, "cases": shown} for title, shown in titles.items() if shown]
