"""What `curate train` says of a training: what it would do, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipelines.command_line.options import Result

if TYPE_CHECKING:
    from models.data.choose_samples import Chosen
    from models.data.classified_images import ChosenClasses
    from models.training.settings import Stage
    from models.training.train import Report, TrainingPlan

WORST_CLASSES: Final = 3


def plan_told(plan: TrainingPlan, *, out: Path) -> Result:
    """Return what a training would do, and what its network costs; raises CurateError where it cannot be."""
    from models.networks.catalogue import build_network
    from models.networks.cost import cost_of
    from models.training.starting_network import refuse_batches_of_one, structure_to_train

    settings = plan.settings
    structure = structure_to_train(settings)
    network = build_network(settings.network, classes=settings.classes, structure=structure)
    refuse_batches_of_one(network, stages=settings.stages, samples=[len(chosen.training) for chosen in plan.chosen])
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
        lines += _alphas_told(stage, chosen=chosen)
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
    return Result.of(lines, data, warnings=_warnings(plan))


def _alphas_told(stage: Stage, *, chosen: Chosen | ChosenClasses) -> list[str]:
    """Return a line where samples have alphas that are not learnt from."""
    from models.data.classified_images import ChosenClasses

    if isinstance(chosen, ChosenClasses):
        return []
    with_alpha = sum(sample.alpha is not None for sample in chosen.training)
    if stage.labels != "mask" or not with_alpha:
        return []
    told = f"{with_alpha} of {len(chosen.training)} samples have alphas that are not used"
    return [f"  stage {stage.name}: {told}; --labels alpha learns from them"]


def _warnings(plan: TrainingPlan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(warning for chosen in plan.chosen for warning in chosen.warnings))


def training_told(report: Report, *, plan: TrainingPlan, out: Path) -> Result:
    """Return what came of a training."""
    numbers, stages = report.metrics, plan.settings.stages
    lines = [
        f"{out}: {numbers['network']}, validation mIoU {numbers['miou_image']:.4f} "
        f"(std {numbers['std']:.4f} over {numbers['validation']} images), epoch {numbers['epoch']} of its stage",
        *_details_told(numbers),
        *(["  it was finished before; nothing was done"] if report.was_done else []),
        *(line for stage, own in zip(stages, plan.chosen, strict=True) for line in _alphas_told(stage, chosen=own)),
        *_classes_told(numbers, out=out),
        *_teachers_told(numbers),
        *_dead_told(numbers),
        f"  look at it: {out / 'curves.svg'} and {out / 'samples.png'}",
        f"  measure it: curate evaluate --model {out} --data D --out DIR",
    ]
    data = {"command": "train", "out": str(out), **numbers}
    return Result.of(lines, data, warnings=(*report.complaints, *_warnings(plan)))


def _classes_told(numbers: Mapping[str, Any], *, out: Path) -> list[str]:
    """Return lines on the classes of class maps: the mean, and the worst of them."""
    if (facts := numbers.get("classes")) is None:
        return []
    known = sorted((iou, name) for name, iou in facts["iou"].items() if iou is not None)
    worst = ", ".join(f"{name} {iou:.3f}" for iou, name in known[:WORST_CLASSES])
    mean = f"  {len(known)} classes: mean IoU {facts['mean_iou']:.4f}, person {facts['person_iou']:.4f}; worst: {worst}"
    return [mean, f"  which class was taken for which: {out / 'confusion.svg'}"]


def _details_told(numbers: Mapping[str, Any]) -> list[str]:
    """Return a line on alphas or trimaps, where they were judged."""
    names = {"sad": "SAD", "mse": "MSE", "trimap_miou": "trimap mIoU"}
    names |= {"unknown_recall": "recall of the unknown band", "soft_covered": "share of what is soft that it covers"}
    told = [f"{meaning} {numbers[name]:.4g}" for name, meaning in names.items() if name in numbers]
    return [f"  {', '.join(told)}"] if told else []


def _teachers_told(numbers: Mapping[str, Any]) -> list[str]:
    """Return lines on labels that models made, and on teachers, with their licences."""
    sources = numbers.get("label_sources", {}).items()
    lines = [f"  {number} of the labels it learned from were made by {source}" for source, number in sources]
    for one in numbers.get("teachers", []):
        licenses = " + ".join(one["licenses"]) or "unknown licence"
        miou = "" if one["miou_on_labels"] is None else f", mIoU {one['miou_on_labels']:.4f} on labels of them"
        alone = f", {sum(numbers['unlabelled'])} without a label" if sum(numbers["unlabelled"]) else ""
        lines.append(f"  taught by {one['name']} ({licenses}) on {one['images']} images{alone}{miou}")
    return lines


def _dead_told(numbers: Mapping[str, Any]) -> list[str]:
    """Return a line where filters have died; trainings from before they were counted have none."""
    dead = numbers.get("dead")
    if dead is None or not dead["dead_filters"] + dead["dead_scales"]:
        return []
    filters = f"{dead['dead_filters']:,} of {dead['filters']:,} filters"
    scales = f"{dead['dead_scales']:,} of {dead['scales']:,} scales of batch norms"
    return [f"  dead after training with {numbers['optimizer']}: {filters}, {scales}; metrics.json has the layers"]
