"""`curate train`: train a network on datasets, in a run folder that can be stopped and resumed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from curation.errors import ConfigurationProblem
from pipelines.command_line.license_rules import read_license_rules
from pipelines.command_line.options import Result, RunOptions
from pipelines.command_line.progress import progress_bars, tell
from pipelines.training.tell_training import plan_told, training_told
from pipelines.training.train_flags import TrainFlags

if TYPE_CHECKING:
    from models.training.settings import TrainingOptions, TrainSettings

IN_SETTINGS: Final = (
    *("network", "classes", "weights", "ema", "patience", "keep", "precision", "auxiliary_weight"),
    *("output_stride", "dilation", "prior", "trimap_kernel"),
)
IN_STAGES: Final = (
    *("epochs", "batch_size", "accumulate", "learning_rate", "optimizer", "momentum", "nesterov", "weight_decay"),
    *("schedule", "warmup", "labels", "augmentation", "patch_px", "vertical_flip", "batch_norm", "where"),
    *("fusion_ratio", "distill", "distill_temperature", "distill_boundary", "distill_confidence"),
)
FUSION_RATIO: Final = 0.3
"""Of the source, where backgrounds are named and no share."""
PRECISIONS: Final = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def train(settings: TrainFlags, *, run: RunOptions) -> Result:
    """Train a network and leave a run folder: model.safetensors with its card, metrics, history, curves, samples.

    The weights of the epoch that is best on the validation data are kept (see --keep). Rows that share a photograph or
    a group with the validation data, or with any test split, are left out. A run that was stopped continues where it
    was.

    \b
    Examples:
      curate train --data training --val portraits --network unet_shufflenet --out run
      curate train --config stages.yaml --out run
    """
    from models.data.batches import telling_of_interruption
    from models.training.train import plan_training
    from models.training.train import train as train_plan

    plan = plan_training(_settings(settings, run=run))
    if run.dry_run:
        return plan_told(plan, out=settings.out)
    if settings.nodes > 1:
        tell(f"the training begins when all {settings.nodes} machines are there", run=run)
    with telling_of_interruption(), progress_bars(run=run) as show:
        report = train_plan(
            plan,
            out=settings.out,
            options=_options(settings, run=run),
            told=lambda progress: show("train", progress.batches, total=plan.batches, unit="batch"),
            asking=lambda what, done, total: show(what, done, total=total),
        )
    return training_told(report, plan=plan, out=settings.out)


def _settings(flags: TrainFlags, *, run: RunOptions) -> TrainSettings:
    """Return the settings of the config, or the defaults, with the flags that were given in their place."""
    import msgspec

    from models.training.settings import TrainSettings, read_settings

    base, stage = _given(flags, names=IN_SETTINGS), _stage_settings(flags)
    if flags.val:
        base["val"] = tuple(map(str, flags.val))
    if flags.input_size is not None:
        base["input_size"] = size_of(flags.input_size)
    if flags.atrous_rates is not None:
        rates = _numbers(flags.atrous_rates, kind=int, flag="--atrous-rates", example="6,12,18")
        base["atrous_rates"] = rates
    if "precision" in base:
        base["precision"] = PRECISIONS[base["precision"]]
    if run.limit is not None:
        base["limit"] = run.limit
    if (rules := read_license_rules(flags.licenses)) is not None:
        base["licenses"] = msgspec.to_builtins(rules)
    if run.seed or flags.config is None:
        base["seed"] = run.seed
    try:
        if flags.config is not None:
            told = msgspec.to_builtins(read_settings(flags.config))
            told["stages"] = [
                {**one, **{key: value for key, value in stage.items() if _may_override(one, key=key)}}
                for one in told["stages"]
            ]
            return msgspec.convert(_pinned({**told, **base}), TrainSettings)
        if flags.network is None:
            raise ConfigurationProblem(
                "no network is named", remedy="give --network NAME (`curate models` lists them), or --config FILE"
            )
        return msgspec.convert(_pinned({"stages": [stage], **base}), TrainSettings)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigurationProblem(f"these settings cannot train: {error}", remedy="see `curate train -h`") from error


def _may_override(stage: dict[str, Any], *, key: str) -> bool:
    """Tell whether a flag overrides a key of a stage: one of classification has folders and no masks of its own."""
    from models.training.settings import OF_MASKS

    return stage["kind"] == "segmentation" or key not in {*OF_MASKS, "data", "augmentation", "patch_px", "frozen"}


def _pinned(told: dict[str, Any]) -> dict[str, Any]:
    from models.registry.registry import pinned_weights

    for stage in told["stages"]:
        stage["teacher"] = pinned_weights(stage.get("teacher"))
    return told | {"weights": pinned_weights(told.get("weights"))}


def _stage_settings(flags: TrainFlags) -> dict[str, Any]:
    stage = _given(flags, names=IN_STAGES)
    if flags.data:
        stage["data"] = tuple(map(str, flags.data))
    if flags.teacher is not None:
        stage["teacher"] = flags.teacher
    if flags.backgrounds:
        stage["backgrounds"] = tuple(map(str, flags.backgrounds))
        stage.setdefault("fusion_ratio", FUSION_RATIO)
    if flags.freeze:
        stage["frozen"] = flags.freeze
    if flags.batch_norm_parts:
        stage["batch_norm_parts"] = flags.batch_norm_parts
    if flags.loss is not None:
        stage["losses"] = _losses(flags.loss)
    if flags.class_weights is not None:
        stage["class_weights"] = _numbers(flags.class_weights, kind=float, flag="--class-weights", example="1,3")
    return stage


def _given(flags: TrainFlags, *, names: tuple[str, ...]) -> dict[str, Any]:
    given = {name: getattr(flags, name) for name in names}
    return {name: value for name, value in given.items() if value is not None and value is not False}


def _numbers(text: str, *, kind: type[float], flag: str, example: str) -> tuple[float, ...]:
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigurationProblem(f"{flag} {text!r}: {error}", remedy=f"e.g. {example}") from error


def _losses(text: str) -> dict[str, float]:
    try:
        pairs = [part.partition("=") for part in text.split(",")]
        return {name.strip(): float(weight or 1) for name, _, weight in pairs}
    except ValueError as error:
        raise ConfigurationProblem(f"--loss {text!r}: {error}", remedy="e.g. cross_entropy=1,dice=1") from error


def training_options(run: RunOptions) -> TrainingOptions:
    """Return how trainings run; raises ConfigurationProblem for a device that is none."""
    from models.training.processes import accelerator_of
    from models.training.settings import TrainingOptions

    options = TrainingOptions(workers=run.workers, device=run.device, overwrite=run.overwrite)
    accelerator_of(options)
    return options


def size_of(text: str) -> tuple[int, int]:
    """Return (height, width) from a text such as 224x192; raises ConfigurationProblem."""
    try:
        height, width = (int(side) for side in text.lower().split("x"))
    except ValueError as error:
        raise ConfigurationProblem(f"--input-size {text!r} is no size", remedy="e.g. 224x224, height first") from error
    return height, width


def _options(flags: TrainFlags, *, run: RunOptions) -> TrainingOptions:
    return replace(
        training_options(run),
        devices=flags.devices,
        nodes=flags.nodes,
        logs=flags.log,
        allow_changed_data=flags.allow_changed_data,
    )
