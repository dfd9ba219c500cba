"""The control of a round: the same training on the labels as they were before it, so that it is known what they bring.

Challenger and control differ in what people said since an earlier round, and in nothing else: network, weights to start
from, seed, epochs, samples in an epoch and pictures drawn of each are the same.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from curation.dataset.dataset import read_dataset
from curation.dataset.manifest_files import is_dataset
from curation.dataset.sample import Plan
from curation.storage.checksums import digest_column
from curation.storage.files import make_folder
from models.data.choose_samples import REPEATS
from models.evaluation.gate import decide
from pipelines.loop.rounds import Loop, folder_of
from pipelines.loop.steps import DATA, EVALUATION, Step, Work, evaluation, hard_cases, plan_of_data, training
from pipelines.loop.training_set import Earlier, samples_in_epoch
from pipelines.sources.make_dataset import make_dataset
from reports.rounds.read_evaluation import read_evaluated
from reports.rounds.round_record import ControlFacts, Round

CONTROL: Final = "control"
"""Its folder holds data, model and evaluation under the names that those of the challenger have: what is drawn for a
sample depends on the name of its dataset."""


def control_of(loop: Loop, *, last: Round | None) -> int:
    """Return the round whose training set a control learns from; 0 where none is asked for, or none is there."""
    if not loop.config.control or last is None:
        return 0
    return last.number if is_dataset(folder_of(loop, number=last.number) / DATA) else 0


def build(work: Work) -> None:
    """Make the training set of the round, and before it that of its control, unless they are there.

    Later labels are for the next round. Where nobody said anything since, challenger and control were the same: then
    there is no control.
    """
    out = work.folder / DATA
    if is_dataset(out):
        return
    run, hard = replace(work.run, overwrite=True), hard_cases(work)
    plan = plan_of_data(work.loop, hard=hard, folder=work.folder)
    if work.plan.control:
        dataset = read_dataset(folder_of(work.loop, number=work.plan.control) / DATA)
        earlier = Earlier(dataset=dataset, samples=samples_in_epoch(plan.items))
        control = plan_of_data(work.loop, hard=hard, before=earlier, folder=work.folder)
        if _that_count(control) != _that_count(plan):
            make_folder(work.folder / CONTROL)
            make_dataset(control, out=work.folder / CONTROL / DATA, run=run)
    make_dataset(plan, out=out, run=run)


def control_steps(work: Work) -> list[Step]:
    """Return what trains the control and measures it, as the challenger was; nothing where there is no control."""
    if not is_dataset(work.folder / CONTROL / DATA):
        return []
    inside = replace(work, inside=CONTROL)
    return [training(inside), evaluation(inside)]


def control_facts(work: Work) -> ControlFacts | None:
    """Return what the new labels bring: challenger against control, on the same test images; None without a control."""
    if not work.plan.control:
        return None
    folders = [work.folder / CONTROL, work.folder]
    if not is_dataset(folders[0] / DATA):
        return ControlFacts(round=work.plan.control)
    before, after = (read_evaluated(folder / EVALUATION).scores for folder in folders)
    rules, seed = work.loop.config.gate, work.loop.config.seed
    control, challenger = (_samples(folder / DATA) for folder in folders)
    found = decide(before, challenger=after, rules=rules, slices=(), seed=seed).overall
    return ControlFacts(round=work.plan.control, gain=found, samples=control, challenger_samples=challenger)


def _that_count(plan: Plan) -> list[tuple[Any, ...]]:
    """Return what a training depends on: the rows, their labels, and how often each comes."""
    names = ("id", "mask", digest_column("mask"), "ignore", "split", REPEATS)
    return [tuple(item.payload["row"].get(name) for name in names) for item in plan.items]


def _samples(folder: Path) -> int:
    rows = read_dataset(folder).table.select(["split", REPEATS]).to_pylist()
    return sum(row[REPEATS] for row in rows if row["split"] != "val")
