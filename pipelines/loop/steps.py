"""The steps of a round. Each is a command that does nothing when it is done, so that a stopped round continues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from curation.dataset.dataset import read_dataset
from curation.dataset.manifest_files import is_dataset
from curation.dataset.sample import Plan
from curation.errors import ConfigurationProblem
from curation.storage.files import write_durable
from labeling.answers import STATUS
from labeling.findings import findings_of
from labeling.selection.next_samples import next_samples
from models.card import read_card
from models.prediction.find_model import find_model
from models.registry.registry import pasted
from models.training.settings import TrainSettings
from models.training.settings_text import settings_text
from pipelines.command_line.license_rules import read_license_rules
from pipelines.command_line.options import Result, RunOptions, flags_of
from pipelines.command_line.progress import tell
from pipelines.evaluation.evaluate import EvaluateFlags, evaluate
from pipelines.labels.features import features_below
from pipelines.labels.pull import PullFlags, pull
from pipelines.labels.push import PushFlags, push
from pipelines.labels.server import connected
from pipelines.loop.rounds import Loop, RoundPlan, folder_of, test_sets_of
from pipelines.loop.teaching import PRELABELLED, learns_from_pool, taught_stage
from pipelines.loop.training_set import Earlier, TrainingParts, plan_training_set
from pipelines.mining.flags import MineFlags
from pipelines.mining.mine import mine
from pipelines.training.train import train
from pipelines.training.train_flags import TrainFlags
from reports.rounds.round_record import Round, Untaken

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
    """A command of a round."""

    name: str
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
    """Return what brings corrected labels in; nothing where nobody is asked, or was asked yet.

    Raises RemoteUnavailable when the server does not answer.
    """
    project = loop.config.label.project
    if project is None or not is_project_there(project):
        return []
    return [
        Step(name="label pull", verb=pull, flags=PullFlags(dataset=one, project=project, where=where))
        for one, where in _unmeasured(loop).items()
    ]


def pull_labels(loop: Loop, *, run: RunOptions) -> Untaken:
    """Bring corrected labels in, and return what is not taken. Raises as `pulls`, and what a pull raises."""
    found = [step.carry_out(run) for step in pulls(loop)]
    for warning in (warning for one in found for warning in one.warnings):
        tell(f"warning: {warning}", run=run)
    broken = {one.data["quarantine"]: Counter(line["code"] for line in one.data["quarantined"]) for one in found}
    return Untaken(
        set_aside={file: dict(sorted(codes.items())) for file, codes in broken.items() if codes},
        drafts=sum(len(one.data["drafts"]) for one in found),
        skipped=max((one.data["skipped"] for one in found), default=0),  # each counts the whole project
    )


def _unmeasured(loop: Loop) -> dict[Path, str | None]:
    """Return the folders that learn, each with the query that leaves out its rows that are measured on; a folder that
    is measured on as a whole is not among them."""
    measured = {loop.place(one.data).resolve(): one.split for one in loop.config.data.test}
    splits = {folder: measured.get(folder.resolve()) for folder in (*loop.train, *loop.pool)}
    return {folder: split and f"split != '{split}'" for folder, split in splits.items() if split != "all"}


def plan_of_data(
    loop: Loop,
    *,
    hard: Mapping[tuple[str, str], str | None],
    before: Earlier | None = None,
    folder: Path | None = None,
) -> Plan:
    """Plan the training set of the round in `folder`; the rest as for `plan_training_set`, and raise as that."""
    parts = TrainingParts(
        train=[read_dataset(folder) for folder in loop.train],
        pool=[read_dataset(folder) for folder in loop.pool],
        test=[one.table for one in test_sets_of(loop).values()],
        licenses=read_license_rules(loop.licenses),
        taught=[read_dataset(folder / PRELABELLED)] if folder and is_dataset(folder / PRELABELLED) else [],
        with_unlabelled=learns_from_pool(loop),
    )
    return plan_training_set(parts, hard=hard, weight=loop.config.data.hard_weight, before=before)


def training(work: Work) -> Step:
    """Return the training of the challenger."""
    config = work.folder / work.inside / SETTINGS
    data = [work.folder / work.inside / DATA]
    settings = settings_of(work.loop, data=data, champion=work.plan.champion)
    write_durable(config, settings_text(settings))
    flags = TrainFlags(config=config, out=work.training)
    return Step(name="train", verb=train, flags=flags)


def settings_of(loop: Loop, *, data: Sequence[Path], champion: str) -> TrainSettings:
    """Return the settings of the training of a round on this data; raises ConfigurationProblem where none can be."""
    told, folders = loop.config.train, tuple(map(str, data))
    try:
        return TrainSettings(
            network=told.network,
            input_size=told.input_size,
            ema=told.ema,
            patience=told.patience,
            auxiliary_weight=told.auxiliary_weight,
            **msgspec.structs.asdict(told.structure),
            seed=loop.config.seed,
            weights=_starting_weights(loop, champion=champion),
            val=tuple(map(str, loop.places(loop.config.data.val))),
            licenses=read_license_rules(loop.licenses),
            stages=tuple(
                msgspec.structs.replace(
                    taught_stage(stage, loop=loop, champion=champion),
                    data=folders,
                    backgrounds=tuple(map(str, loop.places(stage.backgrounds))),
                )
                for stage in told.stages
            ),
        )
    except ValueError as error:  # what the parts of a configuration cannot say of each other, such as equal names
        raise ConfigurationProblem(f"train: {error}", where=loop.file, remedy="correct it there") from error


def evaluation(work: Work) -> Step:
    """Return the comparison of challenger and champion on the test sets."""
    loop, tests = work.loop, work.loop.config.data.test
    flags = EvaluateFlags(
        model=work.training,
        baseline=Path(work.plan.champion) if work.plan.champion and not work.inside else None,
        data=tuple(loop.place(one.data) for one in tests),
        split=tuple(one.split for one in tests),
        out=work.folder / work.inside / EVALUATION,
    )
    return Step(name="evaluate", verb=evaluate, flags=flags)


def mining(work: Work, *, winner: str) -> Step:
    """Return the search for hard cases with the model that won."""
    told, folders = work.loop.config.mine, _unmeasured(work.loop)
    flags = MineFlags(
        model=Path(winner),
        data=tuple(folders),
        out=work.folder / MINED,
        where=" and ".join(dict.fromkeys((NOT_TEST, *filter(None, folders.values())))),
        threshold=told.threshold,
        pool_share=told.pool_share,
        second=tuple(map(work.loop.model, told.second)),
        teacher=tuple(map(work.loop.model, told.teachers)),
        folds=told.folds,
        with_scales=work.loop.config.label.select == "views",  # flips would score another model than was evaluated
        network=work.loop.config.train.network,
        prefix=len(folders) > 1,
    )
    return Step(name="mine", verb=mine, flags=flags)


def pushing(work: Work) -> Step | None:
    """Choose the next samples for annotators, those of earlier rounds never again, and give the command that sends
    them; None where nobody is asked, or nothing is left."""
    label = work.loop.config.label
    if label.project is None or not choose_next(work):
        return None
    flags = PushFlags(dataset=work.folder / MINED, project=label.project, ids=work.folder / NEXT, prefill=label.prefill)
    return Step(name="label push", verb=push, flags=flags)


def choose_next(work: Work) -> list[str]:
    """Return the ids of the samples that a person gets next, and write them down: a repeat sends the same."""
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
    """Return the verdicts on the hard cases of the last round that mined, by dataset and id."""
    for number in range(work.plan.number - 1, 0, -1):
        if is_dataset(mined := folder_of(work.loop, number=number) / MINED):
            rows = read_dataset(mined).table.to_pylist()
            return {(row["mined_from"].rpartition("@")[0], row["mined_id"]): row["verdict"] for row in rows}
    return {}


def is_project_there(project: str) -> bool:
    """Ask Label Studio whether it has a project; raises RemoteUnavailable, and ConfigurationProblem for the token."""
    from labeling.label_tools.label_studio.project.project import find_project

    with connected(None, patience_s=PATIENCE_S) as client:
        return find_project(client, title=project) is not None


def _starting_weights(loop: Loop, *, champion: str) -> str | None:
    """Return what the challenger starts from; the weights of another network are of no use to this one."""
    told = loop.config.train
    if told.start == "imagenet":
        return "imagenet"
    if told.start == "random" or not champion:
        return None
    return champion if read_card(find_model(Path(champion)).card).network == told.network else None


def command_line(name: str, *, flags: Any) -> str:
    """Return the command line of a verb with these flags, to be pasted into a shell."""
    words = ["curate", *name.split()]
    for field in flags_of(type(flags)):
        value = getattr(flags, field.name)
        if value == field.default:
            continue
        if not field.metadata["positional"]:
            words.append(f"--{field.name.replace('_', '-')}")
        values: tuple[Any, ...] = value if isinstance(value, tuple) else () if value is True else (value,)
        words += map(str, values)
    return pasted(words)
