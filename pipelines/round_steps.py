"""The steps of a round. Each is a command that does nothing when it is done, so that a stopped round goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from curation.dataset import MANIFEST, read_dataset
from curation.errors import ConfigurationProblem
from curation.files import write_durable
from curation.samples import Plan
from labeling.label_studio.batches import STATUS
from labeling.label_studio.prefill import findings_of
from labeling.next_samples import next_samples
from models.card import read_card
from models.data.choosing import of_split
from models.prediction.finding import find_model
from models.registry import pasted
from models.training.settings import TrainSettings, settings_text
from pipelines.evaluate import EvaluateFlags, evaluate
from pipelines.label_pull import PullFlags, pull
from pipelines.label_push import PushFlags, push
from pipelines.labeling import connected
from pipelines.license_rules import read_license_rules
from pipelines.mine import MineFlags, mine
from pipelines.options import Result, RunOptions
from pipelines.own_features import features_below
from pipelines.progress import tell
from pipelines.rounds import Loop, RoundPlan, folder_of
from pipelines.train import TrainFlags, train
from pipelines.training_set import Earlier, TrainingParts, plan_training_set
from reports.round_record import Round

DATA, TRAINING, EVALUATION, MINED, NEXT, SETTINGS = (
    "data", "challenger", "evaluation", "hard-cases", "next.txt", "training.yaml",
)  # fmt: skip
PATIENCE_S: Final = 60.0
NOT_TEST: Final = "split != 'test'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A round at work: its loop, its plan, how its commands run, and the last round that is over.

    `inside` is the folder of the round below which a training and its evaluation lie.
    """

    loop: Loop
    plan: RoundPlan
    run: RunOptions
    last: Round | None
    inside: str = ""

    @property
    def folder(self) -> Path:
        """The folder of the round."""
        return folder_of(self.loop, number=self.plan.number)

    @property
    def training(self) -> Path:
        """The run folder of what is trained."""
        return self.folder / self.inside / TRAINING


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
    if project is None or not is_project_there(project):
        return []
    why = f"what annotators corrected in {project!r} becomes new label versions"
    folders = [*loop.train, *loop.pool]
    return [
        Step(name="label pull", why=why, verb=pull, flags=PullFlags(dataset=one, project=project)) for one in folders
    ]


def plan_of_data(loop: Loop, *, hard: Mapping[tuple[str, str], str | None], before: Earlier | None = None) -> Plan:
    """Plan the training set of a round; `hard` and `before` as for `plan_training_set`, which says what is raised."""
    parts = TrainingParts(
        train=[read_dataset(folder) for folder in loop.train],
        pool=[read_dataset(folder) for folder in loop.pool],
        test=[table for _, table in _test_tables(loop)],
        licenses=read_license_rules(loop.licenses),
    )
    return plan_training_set(parts, hard=hard, weight=loop.config.data.hard_weight, before=before)


def test_rows(work: Work) -> dict[str, tuple[Path, list[dict[str, Any]]]]:
    """Return folder and rows of what is measured, by the name of the test set."""
    found: dict[str, tuple[Path, list[dict[str, Any]]]] = {}
    for name, table in _test_tables(work.loop):
        found.setdefault(name, (work.loop.place(name), []))[1].extend(table.to_pylist())
    return found


def _test_tables(loop: Loop) -> Iterator[tuple[str, pa.Table]]:
    for one in loop.config.data.test:
        table = read_dataset(loop.place(one.data)).table
        yield one.data, table if one.split == "all" else of_split(table, one.split)


def training(work: Work) -> Step:
    """Give the training of the challenger."""
    config = work.folder / work.inside / SETTINGS
    data = [work.folder / work.inside / DATA]
    settings = settings_of(work.loop, data=data, champion=work.plan.champion)
    write_durable(config, settings_text(settings))
    start = f"from {settings.weights}" if settings.weights else "from random weights"
    flags = TrainFlags(config=config, out=work.training)
    return Step(name="train", why=f"a challenger is trained {start}", verb=train, flags=flags)


def settings_of(loop: Loop, *, data: Sequence[Path], champion: str) -> TrainSettings:
    """Return the settings of the training of a round on this data; raises ConfigurationProblem where none can be."""
    told, folders = loop.config.train, tuple(map(str, data))
    try:
        return TrainSettings(
            network=told.network,
            input_size=told.input_size,
            ema=told.ema,
            patience=told.patience,
            seed=loop.config.seed,
            weights=_starting_weights(loop, champion=champion),
            val=tuple(map(str, loop.places(loop.config.data.val))),
            licenses=read_license_rules(loop.licenses),
            stages=tuple(
                msgspec.structs.replace(
                    stage, data=folders, backgrounds=tuple(map(str, loop.places(stage.backgrounds)))
                )
                for stage in told.stages
            ),
        )
    except ValueError as error:  # what the parts of a configuration cannot say of each other, such as equal names
        raise ConfigurationProblem(f"train: {error}", where=loop.file, remedy="mend it there") from error


def evaluation(work: Work) -> Step:
    """Give the comparison of challenger and champion on the test sets."""
    loop, tests = work.loop, work.loop.config.data.test
    flags = EvaluateFlags(
        model=work.training,
        baseline=Path(work.plan.champion) if work.plan.champion and not work.inside else None,
        data=tuple(loop.place(one.data) for one in tests),
        split=tuple(one.split for one in tests),
        out=work.folder / work.inside / EVALUATION,
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


def is_project_there(project: str) -> bool:
    """Ask Label Studio whether it has a project; raises RemoteUnavailable, and ConfigurationProblem for the token."""
    from labeling.label_studio.project import find_project

    with connected(None, patience_s=PATIENCE_S) as client:
        return find_project(client, title=project) is not None


def _starting_weights(loop: Loop, *, champion: str) -> str | None:
    """Give what the challenger starts from; the weights of another network are of no use to this one."""
    told = loop.config.train
    if told.start == "imagenet":
        return "imagenet"
    if told.start == "random" or not champion:
        return None
    return champion if read_card(find_model(Path(champion)).card).network == told.network else None


def command_line(name: str, *, flags: Any) -> str:
    """Return the command line of a verb with these flags, to be pasted into a shell."""
    words = ["curate", *name.split()]
    for field in fields(flags):
        value = getattr(flags, field.name)
        if value == field.default:
            continue
        if not field.metadata["positional"]:
            words.append(f"--{field.name.replace('_', '-')}")
        values: tuple[Any, ...] = value if isinstance(value, tuple) else () if value is True else (value,)
        words += map(str, values)
    return pasted(words)
