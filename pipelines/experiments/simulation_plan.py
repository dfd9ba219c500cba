"""What a simulation works with, decided before the first step; and the folder that holds one of them alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from curation.dataset.dataset import read_dataset
from curation.dataset.manifest_files import manifest_fingerprint
from curation.errors import ConfigurationProblem, InputRefused
from curation.quarantine import BadRecord
from curation.storage.claimed_folder import lock_file, refuse_foreign
from curation.storage.files import make_folder, read_file, write_durable
from curation.storage.lock import exclusive
from labeling.selection.select import Strategy
from models.evaluation.choose_sets import SetChoice, choose_sets
from models.registry.registry import pinned_weights
from models.training.settings import Stage, TrainSettings, read_settings
from pipelines.command_line.options import RunOptions
from pipelines.experiments.simulation_pool import Pool, read_pool, refuse_hidden_judges
from pipelines.experiments.simulation_steps import RANDOM, Simulation
from pipelines.experiments.simulation_teachers import TEACHERS, named_teachers
from pipelines.loop.config import TestSet

if TYPE_CHECKING:
    from pipelines.experiments.simulate_flags import SimulateFlags

PLAN: Final = "plan.json"
"""What all results in the folder depend on; by it the folder is known for a simulation."""
SELECTIONS: Final[tuple[Strategy, ...]] = ("uncertainty",)
OF_WRONG: Final[tuple[Strategy, ...]] = ("verdict",)
"""What is compared with random where labels are wrong, and nothing else is asked for."""
SEEDS: Final = (0, 1, 2)
START: Final = 50


def planned_simulation(flags: SimulateFlags, *, run: RunOptions) -> Simulation:
    """Read the data and the settings. Raises InputRefused when the pool is too small, and ConfigurationProblem."""
    test = [_test_set(folder) for folder in flags.test or flags.data]
    splits = tuple(one.split for one in test)
    sets = choose_sets([Path(one.data) for one in test], choice=SetChoice(splits=splits, query=None, limit=None))
    settings = _settings(flags, seed=run.seed)
    val = [Path(name) for name in settings.val]
    refuse_hidden_judges(val, data=flags.data)
    pool = read_pool(flags.data, val=val, test=sets, limit=run.limit)
    start = 0 if flags.wrong is not None else START if flags.start is None else flags.start
    _refuse_too_few(pool, flags=flags, start=start)
    usual = SELECTIONS if flags.wrong is None else OF_WRONG
    return Simulation(
        pool=pool,
        settings=settings,
        test=test,
        sets=sets,
        strategies=(RANDOM, *(one for one in dict.fromkeys(flags.select or usual) if one != RANDOM)),
        seeds=flags.seeds or SEEDS,
        start=start,
        budget=flags.budget,
        rounds=flags.rounds,
        out=flags.out,
        wrong=flags.wrong,
        teachers=named_teachers(flags.teacher),
    )


def _refuse_too_few(pool: Pool, *, flags: SimulateFlags, start: int) -> None:
    needed = start + flags.rounds * flags.budget
    if needed <= len(pool.ids) and len(pool.ids) > 1:
        return
    begins = f"{start} labels and " if start else ""
    ends = "samples have a label to hide" if flags.wrong is None else "samples have a label"
    raise InputRefused(
        f"{begins}{flags.rounds} times {flags.budget} more are {needed}, but only {len(pool.ids)} {ends}",
        where=", ".join(map(str, flags.data)),
        remedy="give a smaller --start, --budget or --rounds, or more data",
    )


@contextmanager
def claimed(simulation: Simulation, *, flags: SimulateFlags, run: RunOptions) -> Iterator[None]:
    """Hold the folder while the block runs, for this simulation; rounds, seeds and selections may be added later.

    Raises InputRefused when it holds another simulation, or anything else; EnvironmentProblem when it is in use.
    """
    out = simulation.out
    make_folder(out)
    refuse_foreign(out, kind="simulation", is_ours=(out / PLAN).exists())
    told = msgspec.json.decode(msgspec.json.encode(_decisive(simulation, flags=flags, run=run)))  # as it is read back
    with exclusive(lock_file(out)):
        if not run.overwrite and (out / PLAN).exists():
            known = _read(out / PLAN)
            changed = [name for name in known | told if known.get(name) != told.get(name)]
            if changed:
                raise InputRefused(
                    f"the folder holds a simulation with other {', '.join(changed)}",
                    where=out,
                    remedy="choose another --out, or give --overwrite to begin again",
                )
        if run.overwrite:
            for folder in (out / TEACHERS, *out.glob("seed-*/wrong")):
                if folder.exists():
                    shutil.rmtree(folder)
        write_durable(out / PLAN, msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
        yield


def _settings(flags: SimulateFlags, *, seed: int) -> TrainSettings:
    """Return the settings of every training, but for data and seed."""
    if flags.config is None and flags.network is None:
        raise ConfigurationProblem(
            "no network is named", remedy="give --network NAME (`curate models` lists them), or --config FILE"
        )
    given: dict[str, Any] = {} if flags.network is None else {"network": flags.network}
    if flags.input_size is not None:
        from pipelines.training.train import size_of

        given["input_size"] = size_of(flags.input_size)
    epochs = {} if flags.epochs is None else {"epochs": flags.epochs}
    try:
        base = TrainSettings(network=flags.network or "", stages=(Stage(),))
        base = base if flags.config is None else read_settings(flags.config)
        told = msgspec.to_builtins(base) | given | {"seed": seed}
        told["stages"] = [{**stage, **epochs} for stage in told["stages"]]
        settings = msgspec.convert(told, TrainSettings)
    except msgspec.ValidationError as error:
        raise ConfigurationProblem(
            f"these settings cannot train: {error}", where=flags.config, remedy="see `curate simulate -h`"
        ) from error
    if settings.limit is not None or any(stage.data for stage in settings.stages):
        raise ConfigurationProblem(
            "a stage names data, or there is a limit; here the labels so far are the data",
            where=flags.config,
            remedy="leave `data` and `limit` out",
        )
    if flags.wrong is not None and any(stage.labels != "mask" for stage in settings.stages):
        raise ConfigurationProblem(
            "a stage learns from alphas or classes; errors are planted in masks alone",
            where=flags.config,
            remedy="leave `labels` out, or simulate without --wrong",
        )
    val = tuple(map(str, flags.val)) or settings.val or tuple(map(str, flags.data))
    return msgspec.structs.replace(settings, val=val, weights=pinned_weights(settings.weights))


def _test_set(folder: Path) -> TestSet:
    splits = set(read_dataset(folder).table["split"].to_pylist())
    return TestSet(data=str(folder), split="test" if "test" in splits else "all")


def _decisive(simulation: Simulation, *, flags: SimulateFlags, run: RunOptions) -> dict[str, Any]:
    """Return what every point of every curve depends on."""

    def hashes(folders: Any) -> dict[str, str]:
        return {str(folder): manifest_fingerprint(Path(folder)) for folder in folders}

    return {
        "data": hashes(flags.data),
        "validation": hashes(simulation.settings.val),
        "tests": hashes(one.data for one in simulation.test),
        "settings": msgspec.to_builtins(simulation.settings),
        "start": simulation.start,
        "budget": simulation.budget,
        "limit": run.limit,
        "wrong": simulation.wrong,
        "teachers": [[one.sha256, one.card_sha256] for one in simulation.teachers] or None,
    }


def _read(file: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(read_file(file), type=dict[str, Any])
    except (BadRecord, msgspec.DecodeError) as error:
        remedy = "give --overwrite to begin again, or choose another --out"
        raise InputRefused(f"damaged: {error}", where=file, remedy=remedy) from error
