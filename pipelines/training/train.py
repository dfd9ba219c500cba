"""`curate train`: train a network on datasets, in a run folder that can be stopped and resumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from curation.errors import ConfigurationProblem
from pipelines.command_line.license_rules import LICENSES_MEANING, read_license_rules
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import progress_bar, tell
from pipelines.training.tell_training import plan_told, training_told

if TYPE_CHECKING:
    from models.training.settings import TrainingOptions, TrainSettings

IN_SETTINGS: Final = (
    *("network", "classes", "weights", "ema", "patience", "keep", "precision", "auxiliary_weight"),
    *("output_stride", "dilation", "trimap_kernel"),
)
IN_STAGES: Final = (
    *("epochs", "batch_size", "accumulate", "learning_rate", "optimizer", "momentum", "nesterov", "weight_decay"),
    *("schedule", "warmup", "labels", "augmentation", "patch_px", "vertical_flip", "batch_norm", "where"),
    *("fusion_ratio",),
)
FUSION_RATIO: Final = 0.3
"""Of the source, where backgrounds are named and no share."""
PRECISIONS: Final = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainFlags:
    """What to train on what. A flag that is given overrides the config, in every stage."""

    out: Path = setting("The run folder to make.", metavar="RUN")
    data: tuple[Path, ...] = setting("Datasets to train on: their split train, or rows without a split.", default=())
    val: tuple[Path, ...] = setting(
        "Datasets to validate on: their split val, or all rows.  [default: the split val of --data]", default=()
    )
    network: str | None = setting("A network; `curate models` lists them.", default=None)
    config: Path | None = setting("All settings in a YAML file, with stages one after the other.", default=None)
    input_size: str | None = setting("Height x width of the network's input.  [default: 224x224]", default=None)
    classes: int | None = setting(
        "1: person; 3: a trimap; with --labels classes as many as the class maps have.  [default: 1]", default=None
    )
    epochs: int | None = setting("Rounds through the data.  [default: 60]", default=None, metavar="N")
    batch_size: int | None = setting("Images in a batch.  [default: 16]", default=None, metavar="N")
    accumulate: int | None = setting("Batches that make one step.  [default: 1]", default=None, metavar="N")
    learning_rate: float | None = setting("The highest learning rate.  [default: 0.005]", default=None)
    optimizer: Literal["adamw", "adam", "sgd"] | None = setting("[default: adamw]", default=None)
    momentum: float | None = setting("Of sgd.  [default: 0.99]", default=None)
    nesterov: bool = setting("Look ahead along the momentum of sgd.", default=False)
    weight_decay: float | None = setting("[default: 0.01]", default=None)
    schedule: Literal["cosine", "poly", "constant"] | None = setting(
        "How the learning rate falls.  [default: cosine]", default=None
    )
    warmup: float | None = setting(
        "The share of the steps over which the learning rate rises.  [default: 0.05]", default=None
    )
    labels: Literal["mask", "alpha", "classes"] | None = setting(
        "What is learnt: masks (trimaps with --classes 3), alphas as shares from 0 to 1, or class maps of the "
        "parts of a person, such as those of CelebAMask-HQ.  [default: mask]",
        default=None,
    )
    loss: str | None = setting(
        "Terms with weights; of cross_entropy, dice, iou, boundary, lovasz, focal, holes; of networks that give an "
        "alpha, and whose own defaults are those of their source: alpha, composition, laplacian, trimap, semantic, "
        "detail.  "
        "[default: cross_entropy=1,dice=1]",
        default=None,
        metavar="TERM=WEIGHT,...",
    )
    class_weights: str | None = setting(
        "By how much background and person count in the means over pixels, such as 1,3; of several classes, one each.",
        default=None,
        metavar="W,W",
    )
    auxiliary_weight: float | None = setting(
        "Weight of heads that only help to train: 0 for none; where left out, 0.4 for bisenet and 0 for the others.",
        default=None,
    )
    output_stride: int | None = setting("8 or 16, of DeepLabV3+.  Left out: 16.", default=None)
    atrous_rates: str | None = setting(
        "Three, of DeepLabV3+.  Left out: 6,12,18 at stride 16 and 12,24,36 at 8.", default=None, metavar="R,R,R"
    )
    dilation: Literal["constant", "hybrid"] | None = setting(
        "Of fcn_dilated: one rate in a stage, or rates that differ from unit to unit.  Left out: constant.",
        default=None,
    )
    trimap_kernel: str | None = setting(
        "Of --classes 3: widen the unknown bands by so many pixels, auto with the image, or none.  [default: auto]",
        default=None,
        metavar="N|auto|none",
    )
    augmentation: Literal["modern", "framed", "source", "crop", "patch", "none"] | None = setting(
        "How images are varied.  [default: modern]", default=None
    )
    patch_px: int | None = setting(
        "The longer side of the patches of --augmentation patch.  [default: 400]", default=None
    )
    vertical_flip: bool = setting("Turn half of the samples upside down as well.", default=False)
    batch_norm: Literal["train", "frozen"] | None = setting(
        "Frozen, batch norms keep statistics, scales and shifts: for small batches that start from --weights.  "
        "[default: train]",
        default=None,
    )
    batch_norm_parts: tuple[str, ...] = setting("Freeze batch norms in these parts alone, e.g. encoder.", default=())
    freeze: tuple[str, ...] = setting("Parts of the network whose weights stay fixed, e.g. encoder.", default=())
    weights: str | None = setting(
        "Start from: imagenet, a run folder, a safetensors file, or models:/NAME@ALIAS.", default=None
    )
    ema: float | None = setting("Decay of averaged weights, 0 for none.  [default: 0.99]", default=None)
    patience: int | None = setting("Stop after N epochs without a better validation.", default=None, metavar="N")
    keep: Literal["best", "last"] | None = setting(
        "Keep the weights of the best epoch on --val, or of the last, where --val has few images.  [default: best]",
        default=None,
    )
    precision: Literal["32", "bf16", "16"] | None = setting("Bits to compute in.  [default: 32]", default=None)
    where: str | None = setting("A pandas query on the rows to train on, e.g. 'person_area > 0.1'.", default=None)
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
    allow_changed_data: bool = setting("Continue although a dataset changed since the training began.", default=False)


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
    with telling_of_interruption(), progress_bar("train", total=plan.batches, run=run, unit="batch") as show:
        report = train_plan(
            plan, out=settings.out, options=_options(settings, run=run), told=lambda progress: show(progress.batches)
        )
    return training_told(report, plan=plan, out=settings.out)


def _settings(flags: TrainFlags, *, run: RunOptions) -> TrainSettings:
    """Return the settings of the config, or the defaults, with the flags that were given in their place."""
    import msgspec

    from models.training.settings import Stage, TrainSettings, read_settings

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
        return msgspec.convert(_pinned({"stages": [Stage(**stage)], **base}), TrainSettings, from_attributes=True)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigurationProblem(f"these settings cannot train: {error}", remedy="see `curate train -h`") from error


def _may_override(stage: dict[str, Any], *, key: str) -> bool:
    """Tell whether a flag overrides a key of a stage: one of classification has folders and no masks of its own."""
    from models.training.settings import OF_MASKS

    return stage["kind"] == "segmentation" or key not in {*OF_MASKS, "data", "augmentation", "patch_px", "frozen"}


def _pinned(told: dict[str, Any]) -> dict[str, Any]:
    from models.registry.registry import pinned_weights

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
