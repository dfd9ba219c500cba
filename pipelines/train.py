"""`curate train`: train a network on datasets, in a run folder that can be stopped and resumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from curation.errors import ConfigurationProblem
from pipelines.license_rules import LICENSES_MEANING, read_license_rules
from pipelines.options import Result, RunOptions, setting
from pipelines.progress import progress_bar, tell

if TYPE_CHECKING:
    from models.training.runs import Report, TrainingPlan
    from models.training.runs import RunOptions as TrainingOptions
    from models.training.settings import TrainSettings

ONE_STAGE: Final = "main"
IN_SETTINGS: Final = ("network", "classes", "weights", "ema", "patience", "keep", "precision", "auxiliary_weight")
IN_STAGES: Final = (
    "epochs",
    "batch_size",
    "accumulate",
    "learning_rate",
    "optimizer",
    "schedule",
    "augmentation",
    "where",
    "fusion_ratio",
)
FUSION_RATIO: Final = 0.3
"""Of the source, where backgrounds are named and no share."""
PRECISIONS: Final = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainFlags:
    """What to train on what. A flag that is given overrides the config, in every stage."""

    out: Path = setting("The run folder to make.", metavar="RUN")
    data: tuple[Path, ...] = setting("Datasets that train: their split train, or rows without a split.", default=())
    val: tuple[Path, ...] = setting(
        "Datasets that judge: their split val, or all rows.  [default: the split val of --data]", default=()
    )
    network: str | None = setting("A network; `curate models` lists them.", default=None)
    config: Path | None = setting("All settings in a YAML file, with stages one after the other.", default=None)
    input_size: str | None = setting("Height x width of the network's input.  [default: 224x224]", default=None)
    classes: int | None = setting("1: person; 3: a trimap.  [default: 1]", default=None)
    epochs: int | None = setting("Rounds through the data.  [default: 60]", default=None, metavar="N")
    batch_size: int | None = setting("Images in a batch.  [default: 16]", default=None, metavar="N")
    accumulate: int | None = setting("Batches that make one step.  [default: 1]", default=None, metavar="N")
    learning_rate: float | None = setting("The highest learning rate.  [default: 0.005]", default=None)
    optimizer: Literal["adamw", "sgd"] | None = setting("[default: adamw]", default=None)
    schedule: Literal["cosine", "poly", "constant"] | None = setting(
        "How the learning rate falls.  [default: cosine]", default=None
    )
    loss: str | None = setting(
        "Terms and weights, of cross_entropy, dice, iou, boundary, lovasz, focal.  [default: cross_entropy=1,dice=1]",
        default=None,
        metavar="TERM=WEIGHT,...",
    )
    auxiliary_weight: float | None = setting("Weight of auxiliary heads.  [default: 0.4]", default=None)
    augmentation: Literal["modern", "source", "crop", "none"] | None = setting(
        "How images are varied.  [default: modern]", default=None
    )
    freeze: tuple[str, ...] = setting("Parts of the network that learn nothing, e.g. encoder.", default=())
    weights: str | None = setting(
        "Start from: imagenet, a run folder, a safetensors file, or models:/NAME@ALIAS.", default=None
    )
    ema: float | None = setting("Decay of averaged weights, 0 for none.  [default: 0.99]", default=None)
    patience: int | None = setting("Stop after N epochs without a better validation.", default=None, metavar="N")
    keep: Literal["best", "last"] | None = setting(
        "The weights of the best epoch on --val, or of the last, where few images judge.  [default: best]", default=None
    )
    precision: Literal["32", "bf16", "16"] | None = setting("Bits to compute in.  [default: 32]", default=None)
    where: str | None = setting("A pandas query on the rows that train, e.g. 'person_area > 0.1'.", default=None)
    licenses: Path | None = setting(LICENSES_MEANING, default=None, metavar="FILE")
    fusion_ratio: float | None = setting(
        "Share of the samples laid on new backgrounds.  [default: 0.3 with --backgrounds, else 0]", default=None
    )
    backgrounds: tuple[Path, ...] = setting("Datasets without persons, to lay samples on.", default=(), metavar="D...")
    log: tuple[Literal["tensorboard", "mlflow"], ...] = setting("Also log to these.", default=())
    devices: int = setting("Devices to train on together.", default=1)
    nodes: int = setting(
        "Machines to train on together: the same command on each, with MASTER_ADDR, MASTER_PORT and NODE_RANK.",
        default=1,
    )
    allow_changed_data: bool = setting("Go on although a dataset changed since the training began.", default=False)


def train(settings: TrainFlags, *, run: RunOptions) -> Result:
    """Train a network and leave a run folder: model.safetensors with its card, metrics, history, curves, samples.

    The weights of the epoch that is best on the validation data are kept (see --keep). Rows that share a photograph or
    a group with the validation data, or with any test split, do not train. A run that was stopped goes on where it was.

    \b
    Examples:
      curate train --data training --val portraits --network unet_shufflenet --out run
      curate train --config stages.yaml --out run
    """
    from models.data.batches import telling_of_interruption
    from models.training.runs import plan_training
    from models.training.runs import train as train_plan

    plan = plan_training(_settings(settings, run=run))
    if run.dry_run:
        return _told(plan, out=settings.out)
    if settings.nodes > 1:
        tell(f"the training begins when all {settings.nodes} machines are there", run=run)
    with telling_of_interruption(), progress_bar("train", total=plan.batches, run=run, unit="batch") as show:
        report = train_plan(
            plan, out=settings.out, options=_options(settings, run=run), told=lambda progress: show(progress.batches)
        )
    return _result(report, plan=plan, out=settings.out)


def _settings(flags: TrainFlags, *, run: RunOptions) -> TrainSettings:
    """Give the settings of the config, or the defaults, with the flags that were given in their place."""
    import msgspec

    from models.training.settings import Stage, TrainSettings, read_settings

    base, stage = _given(flags, names=IN_SETTINGS), _stage_settings(flags)
    if flags.val:
        base["val"] = tuple(map(str, flags.val))
    if flags.input_size is not None:
        base["input_size"] = size_of(flags.input_size)
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
            told["stages"] = [{**one, **stage} for one in told["stages"]]
            return msgspec.convert(_pinned({**told, **base}), TrainSettings)
        if flags.network is None:
            raise ConfigurationProblem(
                "no network is named", remedy="give --network NAME (`curate models` lists them), or --config FILE"
            )
        return msgspec.convert(_pinned({"stages": [Stage(**stage)], **base}), TrainSettings, from_attributes=True)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigurationProblem(f"these settings cannot train: {error}", remedy="see `curate train -h`") from error


def _pinned(told: dict[str, Any]) -> dict[str, Any]:
    from models.registry import pinned_weights

    return told | {"weights": pinned_weights(told.get("weights"))}


def _stage_settings(flags: TrainFlags) -> dict[str, Any]:
    stage = _given(flags, names=IN_STAGES)
    if flags.data:
        stage["data"] = tuple(map(str, flags.data))
    if flags.backgrounds:
        stage["backgrounds"] = tuple(map(str, flags.backgrounds))
        stage.setdefault("fusion_ratio", FUSION_RATIO)
    if flags.freeze:
        stage["frozen"] = flags.freeze
    if flags.loss is not None:
        stage["losses"] = _losses(flags.loss)
    return stage


def _given(flags: TrainFlags, *, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(flags, name)) is not None}


def _losses(text: str) -> dict[str, float]:
    try:
        pairs = [part.partition("=") for part in text.split(",")]
        return {name.strip(): float(weight or 1) for name, _, weight in pairs}
    except ValueError as error:
        raise ConfigurationProblem(f"--loss {text!r}: {error}", remedy="e.g. cross_entropy=1,dice=1") from error


def training_options(run: RunOptions) -> TrainingOptions:
    """Give how trainings run; raises ConfigurationProblem for a device that is none."""
    from models.training.runs import RunOptions as TrainingOptions
    from models.training.together import accelerator_of

    options = TrainingOptions(workers=run.workers, device=run.device, overwrite=run.overwrite)
    accelerator_of(options)
    return options


def size_of(text: str) -> tuple[int, int]:
    """Give (height, width) from a text such as 224x192; raises ConfigurationProblem."""
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


def _told(plan: TrainingPlan, *, out: Path) -> Result:
    from models.networks.cost import cost_of
    from models.networks.registry import build_network
    from models.training.optimizing import freeze

    settings = plan.settings
    network = build_network(settings.network, classes=settings.classes)
    for stage in settings.stages:
        freeze(network, parts=stage.frozen)
    cost = cost_of(network, input_size=settings.input_size)
    height, width = settings.input_size
    lines = [f"{settings.network} at {height} x {width}: {cost.parameters:,} parameters"]
    stages = []
    for stage, chosen in zip(settings.stages, plan.chosen, strict=True):
        left = ", ".join(f"{reason} {number}" for reason, number in chosen.left_out.items())
        lines.append(
            f"  stage {stage.name}: {len(chosen.training)} samples train, {len(chosen.validation)} judge, "
            f"{stage.epochs} epochs" + (f"; left out: {left}" if left else "")
        )
        stages.append(
            {
                "name": stage.name,
                "training": len(chosen.training),
                "validation": len(chosen.validation),
                "left_out": dict(chosen.left_out),
            }
        )
    lines.append(f"  {plan.batches:,} batches in all")
    data = {
        "command": "train",
        "dry_run": True,
        "out": str(out),
        "network": settings.network,
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "batches": plan.batches,
        "stages": stages,
    }
    return Result(summary="\n".join(lines), data=data, warnings=_warnings(plan))


def _warnings(plan: TrainingPlan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(warning for chosen in plan.chosen for warning in chosen.warnings))


def _result(report: Report, *, plan: TrainingPlan, out: Path) -> Result:
    numbers = report.metrics
    lines = [
        f"{out}: {numbers['network']}, validation mIoU {numbers['miou_image']:.4f} "
        f"(std {numbers['std']:.4f} over {numbers['validation']} images), epoch {numbers['epoch']} of its stage",
        *(["  it was finished before; nothing was done"] if report.was_done else []),
        f"  look at it: {out / 'curves.svg'} and {out / 'samples.png'}",
        f"  measure it: curate evaluate --model {out} --data D --out DIR",
    ]
    data = {"command": "train", "out": str(out), **numbers}
    return Result(summary="\n".join(lines), data=data, warnings=(*report.complaints, *_warnings(plan)))
