"""A round at work: its parts in order, what the gate decides, and the record and the page that it leaves."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from curation.dataset.manifest_files import is_dataset
from curation.errors import CurateError, Interrupted
from models.evaluation.gate import Decision, decide
from models.metrics.intervals import Interval
from models.registry.record import record_of
from models.registry.registry import CHALLENGER, CHAMPION, place_of, register, tracker_of
from pipelines.command_line.options import DONE_WITH_QUARANTINE, Result
from pipelines.command_line.progress import tell
from pipelines.evaluation.report import ReportFlags, cost_facts, report
from pipelines.labels.prelabel import prelabel
from pipelines.labels.prelabel_plan import NothingToLabel
from pipelines.loop import part_texts as texts
from pipelines.loop.control import build, control_facts, control_steps
from pipelines.loop.frozen_sets import freeze, freeze_files
from pipelines.loop.label_facts import label_facts
from pipelines.loop.rounds import CHAMPION_INPUT, Loop, RoundPlan, test_sets_of
from pipelines.loop.steps import (
    DATA,
    EVALUATION,
    TRAINING,
    Step,
    Work,
    evaluation,
    mining,
    pushing,
    training,
)
from pipelines.loop.teaching import prelabel_flags
from reports.rounds.index_page import INDEX, REPORT, write_index
from reports.rounds.read_evaluation import Evaluated, measured, read_evaluated
from reports.rounds.round_record import SRGB, DataFacts, LabelFacts, Round, Untaken, data_facts, write_round
from reports.rounds.tables import label_gain, set_aside_lines

MINUTE: Final = 60
SAME_MIOU: Final = 1e-4
"""Other processors and runtimes round otherwise by less."""


def carry_out(work: Work) -> Result:
    """Do what is left of a round, and give what came of it.

    Raises CurateError of a step that failed, after record and page of the round say so; the next start continues there.
    """
    diary = _Diary(work=work, exit_code=DONE_WITH_QUARANTINE if work.plan.untaken.set_aside else 0)
    try:
        _carry_out(work, diary=diary)
    except Interrupted:
        raise
    except CurateError as error:
        diary.close(problems=[str(error)])
        raise
    told = diary.close(inputs=work.plan.inputs | {CHAMPION_INPUT: diary.known["champion"]})
    return _result(told, diary=diary)


@dataclass(slots=True, kw_only=True)
class _Diary:
    """What is known of a round so far: fields of its record, by name."""

    work: Work
    part: str = ""
    known: dict[str, Any] = field(default_factory=dict)
    lineage: dict[str, str] = field(default_factory=dict)
    exit_code: int = 0
    started: float = field(default_factory=time.monotonic)

    def do(self, step: Step) -> None:
        """Carry out a step, and note its command."""
        tell(f"round {self.work.plan.number}, {step.name}: {self.part}", run=self.work.run)
        self.lineage[f"{len(self.lineage) + 1}. {step.name}"] = step.command
        self.exit_code = max(self.exit_code, step.carry_out(self.work.run).exit_code)

    def close(self, **told: Any) -> Round:
        """Write the record of the round, its page, and the page over all rounds."""
        plan, loop = self.work.plan, self.work.loop
        record = Round(
            name=f"Round {plan.number}",
            number=plan.number,
            command=_command(self.work),
            started=plan.started,
            seconds=time.monotonic() - self.started,
            lineage=self.lineage,
            **{"champion": plan.champion, **self.known, **told},
        )
        write_round(self.work.folder, told=record)
        shown = loop.config.report
        report(ReportFlags(run=self.work.folder, pictures=shown.pictures, pdf=shown.pdf), run=self.work.run)
        write_index(loop.rounds, out=loop.rounds / INDEX)
        return record


def _carry_out(work: Work, *, diary: _Diary) -> None:
    tests = test_sets_of(work.loop)
    diary.known["test_sets"] = freeze(work.loop.workspace, found=tests)
    freeze_files(work.loop.workspace, sets=tests.values())
    diary.known["before"] = [] if work.last is None else work.last.data
    for part in PARTS:
        if part.do is not None and (text := part.text(work.loop, work.plan)):
            diary.part = text
            part.do(work, diary)


def _teach(work: Work, diary: _Diary) -> None:
    flags = prelabel_flags(work.loop, plan=work.plan, out=work.folder)
    if flags is None or is_dataset(work.folder / DATA):
        return
    with suppress(NothingToLabel):  # people have labelled all of it
        diary.do(Step(name="prelabel", verb=prelabel, flags=flags))


def _build(work: Work, diary: _Diary) -> None:
    build(work)
    diary.known["data"] = [data_facts(work.folder / DATA)]


def _train(work: Work, diary: _Diary) -> None:
    diary.do(training(work))
    diary.known["training"] = TRAINING


def _control(work: Work, diary: _Diary) -> None:
    for step in control_steps(work):
        diary.do(step)
    diary.known["control"] = control_facts(work)


def _mine(work: Work, diary: _Diary) -> None:
    diary.do(mining(work, winner=diary.known["champion"]))
    diary.known["labels"] = label_facts(work)


def _push(work: Work, diary: _Diary) -> None:
    if (step := pushing(work)) is not None:
        diary.do(step)


def _decide(work: Work, diary: _Diary) -> None:
    """Let the gate decide, register the challenger, and note the model that is the champion from now on."""
    evaluated = read_evaluated(work.folder / EVALUATION)
    decision = _decision(evaluated, work=work)
    loop = work.loop
    tracker = tracker_of(place_of(loop.workspace))
    record = replace(
        record_of(work.training, evaluation=work.folder / EVALUATION),
        title=f"{loop.config.model}, round {work.plan.number}",
        description=_described(decision, work=work, data=diary.known["data"][0]),
        source=_command(work),
    )
    added = register(tracker, name=loop.config.model, model=work.training, record=record)
    version = tracker.version(loop.config.model, number=added.number)
    assert version is not None
    tracker.give_alias(version, alias=CHALLENGER)
    is_promoted = decision is None or decision.is_promoted
    if is_promoted:
        tracker.give_alias(version, alias=CHAMPION)
    winner = added.pinned if is_promoted else work.plan.champion
    found = measured(evaluated)["miou"]
    costs = [cost_facts(Path(name)) for name in (work.plan.champion, added.pinned) if name]
    diary.known |= {
        "colours": SRGB,
        "rescored": _rescored(found.first, work=work, test_sets=diary.known["test_sets"]),
        "evaluation": EVALUATION,
        "decision": decision,
        "challenger": added.pinned,
        "champion": winner,
        "miou": found.second if is_promoted else found.first,
        "costs": [cost for cost in costs if cost is not None],
    }


def _command(work: Work) -> str:
    """Return the command that does the round, to be pasted into a shell."""
    return shlex.join(["curate", "retrain", "--config", str(work.loop.file)])


def _described(decision: Decision | None, *, work: Work, data: DataFacts) -> str:
    """Say of a challenger where it comes from, and what the gate said, for who looks into MLflow."""
    said = "The first champion." if decision is None else f"Against {work.plan.champion}: {decision.sentence}"
    network, plan = work.loop.config.train.network, work.plan
    return f"{network} of round {plan.number}, begun {plan.started}, with a training set of {data.samples:,}. {said}"


def _decision(evaluated: Evaluated, *, work: Work) -> Decision | None:
    """Return what the gate says, None where there is no champion to compare with."""
    if evaluated.baseline is None:
        return None
    rules, seed = work.loop.config.gate, work.loop.config.seed
    return decide(evaluated.baseline, challenger=evaluated.scores, rules=rules, seed=seed)


def _rescored(now: Interval | None, *, work: Work, test_sets: dict[str, str]) -> str:
    """Say that the champion's mIoU is another than the last round told, on the same test sets; "" where it is not."""
    last = work.last
    if last is None or last.miou is None or now is None:
        return ""
    is_same = (last.champion, last.test_sets) == (work.plan.champion, test_sets)
    if not is_same or abs(last.miou.value - now.value) < SAME_MIOU:
        return ""
    read = ", and images with a colour profile are read in sRGB since" if last.colours != SRGB else ""
    return (
        f"{last.champion} is measured again: mIoU {now.value:.4f} on the same test sets. Round {last.number} told "
        f"{last.miou.value:.4f}. The way to measure changed{read}; compare rounds from this one on."
    )


def untaken_lines(untaken: Untaken) -> list[str]:
    """Say what a pull did not take; nothing where it took all."""
    counts = {"left out as drafts": untaken.drafts, "skipped": untaken.skipped}
    told = [f"{name}: {number:,}" for name, number in counts.items() if number]
    return [f"  {line}" for line in (*set_aside_lines(untaken), *([", ".join(told)] if told else []))]


def _result(told: Round, *, diary: _Diary) -> Result:
    page = diary.work.folder / REPORT
    is_first = told.decision is None
    outcome = "first" if is_first else "promoted" if told.decision is not None and told.decision.is_promoted else "kept"
    sentence = "It is the first champion." if told.decision is None else told.decision.sentence
    miou = "" if told.miou is None else f", mIoU {told.miou.value:.4f} ({told.miou.low:.4f} to {told.miou.high:.4f})"
    labels = told.labels or LabelFacts()
    gain = label_gain(told.labels, decision=told.decision, control=told.control)
    lines = [
        f"round {told.number}: {outcome}. {sentence}",
        f"  champion   {told.champion}{miou}",
        f"  labels     {labels.relabeled} corrected for it, {labels.confirmed} confirmed, "
        f"{labels.sent} sent to annotators next",
        *untaken_lines(labels.untaken),
        *([] if gain is None else [f"  {gain[0]}: {gain[1]}"]),
        f"  took       {(told.seconds or 0) / MINUTE:.1f} minutes",
        f"  look at it: {page}, and all rounds: {page.parent.parent / INDEX}",
    ]
    data = {
        "command": "retrain",
        "round": told.number,
        "outcome": outcome,
        "sentence": sentence,
        "champion": told.champion,
        "challenger": told.challenger,
        "miou": None if told.miou is None else told.miou.value,
        "relabeled": labels.relabeled,
        "confirmed": labels.confirmed,
        "sent": labels.sent,
        "seconds": told.seconds,
        "report": str(page),
        **msgspec.to_builtins(labels.untaken),
    }
    return Result(summary="\n".join(lines), data=data, exit_code=diary.exit_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a round: its name, what it does in this round in words ("" where it has none), and how it is done.

    None does what is done around the others: labels are pulled before a round is planned, and the page of a round is
    written also where a part fails.
    """

    name: str
    text: Callable[[Loop, RoundPlan], str]
    do: Callable[[Work, _Diary], None] | None


PARTS: Final = (
    Part(name="pull", text=texts.pull, do=None),
    Part(name="teach", text=texts.teach, do=_teach),
    Part(name="build", text=texts.build, do=_build),
    Part(name="train", text=texts.train, do=_train),
    Part(name="evaluate", text=texts.evaluate, do=lambda work, diary: diary.do(evaluation(work))),
    Part(name="gate", text=texts.gate, do=_decide),
    Part(name="control", text=texts.control, do=_control),
    Part(name="mine", text=texts.mine, do=_mine),
    Part(name="push", text=texts.push, do=_push),
    Part(name="report", text=texts.report, do=None),
)
"""In order. What a round is going to do is told from them, too."""
