"""The steps of a round. Each is a command that does nothing when it is done, so that a stopped round goes on."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from curation.dataset import MANIFEST, read_dataset
from curation.files import write_durable
from labeling.label_studio.batches import STATUS
from labeling.label_studio.prefill import findings_of
from labeling.next_samples import next_samples
from models.card import read_card
from models.data.choosing import of_split
from models.prediction.finding import find_model
from models.training.settings import TrainSettings, settings_text
from pipelines.evaluate import EvaluateFlags, evaluate
from pipelines.label_pull import PullFlags, pull
from pipelines.label_push import PushFlags, push
from pipelines.labeling import connected
from pipelines.license_rules import read_license_rules
from pipelines.making import make_dataset
from pipelines.mine import MineFlags, mine
from pipelines.options import Result, RunOptions
from pipelines.own_features import features_below
from pipelines.progress import tell
from pipelines.rounds import Loop, RoundPlan, folder_of
from pipelines.train import TrainFlags, train
from pipelines.training_set import TrainingParts, plan_training_set

DATA, TRAINING, EVALUATION, MINED, NEXT, SETTINGS = (
    "data", "challenger", "evaluation", "hard-cases", "next.txt", "training.yaml",
)  # fmt: skip
PATIENCE_S: Final = 60.0
NOT_TEST: Final = "split != 'test'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A round at work: its loop, its plan, and how its commands run."""

    loop: Loop
    plan: RoundPlan
    run: RunOptions

    @property
    def folder(self) -> Path:
        """The folder of the round."""
        return folder_of(self.loop, number=self.plan.number)

    @property
    def training(self) -> Path:
        """The run folder of the challenger."""
        return self.folder / TRAINING


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command of a round: why it runs, and how."""

    name: str
    why: str
    verb: Callable[..., Result]
    flags: Any

    @property
    def command(self) -> str:
        """The command line that does the same."""
        return command_line(self.name, flags=self.flags)

    def carry_out(self, run: RunOptions) -> Result:
        """Run the command."""
        return self.verb(self.flags, run=run)


def pulls(loop: Loop) -> list[Step]:
    """Give what brings corrected labels in; nothing where nobody is asked, or was asked yet.

    Raises RemoteUnavailable when the server does not answer.
    """
    project = loop.config.label.project
    if project is None or not _is_there(project):
        return []
    why = f"what annotators corrected in {project!r} becomes new label versions"
    folders = [*loop.train, *loop.pool]
    return [
        Step(name="label pull", why=why, verb=pull, flags=PullFlags(dataset=one, project=project)) for one in folders
    ]


def build(work: Work) -> None:
    """Make the training set of the round, unless it is there: later labels are for the next round."""
    loop, out = work.loop, work.folder / DATA
    if (out / MANIFEST).exists():
        return
    tests = []
    for one in loop.config.data.test:
        table = read_dataset(loop.place(one.data)).table
        tests.append(table if one.split == "all" else of_split(table, one.split))
    parts = TrainingParts(
        train=[read_dataset(folder) for folder in loop.train],
        pool=[read_dataset(folder) for folder in loop.pool],
        test=tests,
        licenses=read_license_rules(loop.licenses),
    )
    plan = plan_training_set(parts, hard=hard_cases(work), weight=loop.config.data.hard_weight)
    make_dataset(plan, out=out, run=replace(work.run, overwrite=True))


def training(work: Work) -> Step:
    """Give the training of the challenger."""
    config = work.folder / SETTINGS
    settings = training_settings(work)
    write_durable(config, settings_text(settings))
    start = f"from {settings.weights}" if settings.weights else "from random weights"
    flags = TrainFlags(config=config, out=work.training)
    return Step(name="train", why=f"a challenger is trained {start}", verb=train, flags=flags)


def training_settings(work: Work) -> TrainSettings:
    """Give the settings of the training: those of the loop, on the data of the round."""
    loop, told = work.loop, work.loop.config.train
    data = (str(work.folder / DATA),)
    return TrainSettings(
        network=told.network,
        input_size=told.input_size,
        ema=told.ema,
        patience=told.patience,
        seed=loop.config.seed,
        weights=_starting_weights(work),
        val=tuple(map(str, loop.places(loop.config.data.val))),
        licenses=read_license_rules(loop.licenses),
        stages=tuple(
            msgspec.structs.replace(stage, data=data, backgrounds=tuple(map(str, loop.places(stage.backgrounds))))
            for stage in told.stages
        ),
    )


def evaluation(work: Work) -> Step:
    """Give the comparison of challenger and champion on the test sets."""
    loop, tests = work.loop, work.loop.config.data.test
    flags = EvaluateFlags(
        model=work.training,
        baseline=Path(work.plan.champion) if work.plan.champion else None,
        data=tuple(loop.place(one.data) for one in tests),
        split=tuple(one.split for one in tests),
        out=work.folder / EVALUATION,
    )
    why = "champion and challenger are measured on the frozen test sets"
    return Step(name="evaluate", why=why, verb=evaluate, flags=flags)


def mining(work: Work, *, winner: str) -> Step:
    """Give the search for hard cases with the model that won."""
    told = work.loop.config.mine
    folders = (*work.loop.train, *work.loop.pool)
    flags = MineFlags(
        model=Path(winner),
        data=folders,
        out=work.folder / MINED,
        where=NOT_TEST,
        threshold=told.threshold,
        pool_share=told.pool_share,
        second=tuple(map(work.loop.model, told.second)),
        folds=told.folds,
        with_scales=work.loop.config.label.select == "views",  # flips would score another model than was evaluated
        network=work.loop.config.train.network,
        prefix=len(folders) > 1,
    )
    return Step(name="mine", why="the winner looks for what to label, and for what to learn", verb=mine, flags=flags)


def pushing(work: Work) -> Step | None:
    """Choose the next samples for annotators, those of earlier rounds never again, and give the command that sends
    them; None where nobody is asked, or nothing is left."""
    label = work.loop.config.label
    if label.project is None or not choose_next(work):
        return None
    flags = PushFlags(dataset=work.folder / MINED, project=label.project, ids=work.folder / NEXT, prefill=label.prefill)
    why = f"the next {label.budget} samples at most, by {label.select}, go to annotators"
    return Step(name="label push", why=why, verb=push, flags=flags)


def choose_next(work: Work) -> list[str]:
    """Give the ids of the samples that a person gets next, and write them down: a repeat sends the same."""
    file, label = work.folder / NEXT, work.loop.config.label
    if file.exists():
        return file.read_text().splitlines()
    mined = read_dataset(work.folder / MINED)
    earlier = {
        id_
        for number in range(1, work.plan.number)
        if (before := folder_of(work.loop, number=number) / NEXT).exists()
        for id_ in before.read_text().splitlines()
    }
    rows = [row for row in mined.table.to_pylist() if row.get(STATUS) is None and row["id"] not in earlier]
    findings = findings_of(mined, scores=None)

    def warn(reason: str) -> None:
        tell(f"warning: {reason}", run=work.run)

    chosen = next_samples(
        rows,
        findings=findings,
        strategy=label.select,
        budget=label.budget,
        rng=np.random.default_rng([work.loop.config.seed, work.plan.number]),
        features_of=features_below(mined.folder, findings=findings, run=work.run, warn=warn),
    )
    ids = [row["id"] for row in chosen]
    write_durable(file, "".join(f"{id_}\n" for id_ in ids).encode())
    return ids


def hard_cases(work: Work) -> dict[tuple[str, str], str | None]:
    """Give the verdicts on the hard cases of the last round that mined, by dataset and id."""
    for number in range(work.plan.number - 1, 0, -1):
        if ((mined := folder_of(work.loop, number=number) / MINED) / MANIFEST).exists():
            rows = read_dataset(mined).table.to_pylist()
            return {(row["mined_from"].rpartition("@")[0], row["mined_id"]): row["verdict"] for row in rows}
    return {}


def _is_there(project: str) -> bool:
    from labeling.label_studio.project import find_project

    with connected(None, patience_s=PATIENCE_S) as client:
        return find_project(client, title=project) is not None


def _starting_weights(work: Work) -> str | None:
    """Give what the challenger starts from; the weights of another network are of no use to this one."""
    told, champion = work.loop.config.train, work.plan.champion
    if told.start == "imagenet":
        return "imagenet"
    if told.start == "random" or not champion:
        return None
    return champion if read_card(find_model(Path(champion)).card).network == told.network else None


def command_line(name: str, *, flags: Any) -> str:
    """Give the command line of a verb with these flags."""
    words = ["curate", *name.split()]
    for field in fields(flags):
        value = getattr(flags, field.name)
        if value == field.default:
            continue
        if not field.metadata["positional"]:
            words.append(f"--{field.name.replace('_', '-')}")
        values = value if isinstance(value, tuple) else () if value is True else (value,)
        words += [shlex.quote(str(one)) for one in values]
    return " ".join(words)
