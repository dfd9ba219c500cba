"""What `curate evaluate` tells of a network of several classes: IoU by class, a confusion matrix, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from curation.dataset.card import QUARANTINE
from curation.dataset.dataset import read_quarantine
from curation.dataset.manifest_files import quarantine_lines
from curation.images.pixels import encode_image
from curation.storage.files import write_durable
from models.evaluation.checked_model import CheckedModel
from models.evaluation.choose_sets import EvaluationSet
from models.evaluation.class_scores import ClassScores, score_classes
from models.evaluation.score_files import Precision
from models.metrics.class_confusion import class_facts, confusion_picture
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import progress_bar
from reports.page.class_colours import class_rows

CLASS_MAPS: Final = "classes"
CONFUSION: Final = "confusion.svg"
PICTURE: Final = "classes.png"
STAGE: Final = "score classes"


def evaluated_classes(
    one: EvaluationSet, *, model: CheckedModel, out: Path, precision: Precision, keeps: bool, run: RunOptions
) -> dict[str, Any]:
    """Score the classes of a data set, draw them into `out`, and return what `metrics.json` says of them.

    Class maps that are broken become lines of `quarantine.jsonl`. Where a set has none, its number of samples without
    is all there is.
    """
    ready = model.ready(precision)
    names = ready.card.class_names
    with progress_bar(f"{one.name}, classes", total=len(one.rows), run=run) as show:
        scores = score_classes(
            one.rows,
            dataset=one.dataset.folder,
            predictor=ready.predictor(threads=max(1, run.workers)),
            card=ready.card,
            keep=out / CLASS_MAPS if keeps else None,
            told=show,
        )
    facts: dict[str, Any] = {"images": scores.images, "without_class_map": scores.without, "broken": len(scores.broken)}
    if scores.broken:
        lines = [problem.record(stage=STAGE, record_id=id_) for id_, problem in scores.broken.items()]
        write_durable(out / QUARANTINE, quarantine_lines([*read_quarantine(out), *lines]))
    if not scores.images:
        return facts
    _draw(scores, names=names, out=out)
    return facts | class_facts(scores.counts, names=names)


def class_lines(name: str, *, facts: Mapping[str, Any], out: Path) -> list[str]:
    """Return what was found of the classes of a data set, as lines for people."""
    told = []
    if facts["without_class_map"]:
        told.append(f"  {name}: {facts['without_class_map']} samples have no class map; only their person is scored")
    if facts["broken"]:
        told.append(f"  {name}: {facts['broken']} class maps are broken; each with its reason: {QUARANTINE}")
    if not facts["images"]:
        return told
    told.append(f"  {name}: mean IoU of classes {facts['mean_iou']:.4f}, of person {facts['person_iou'] or 0:.4f}")
    known = sorted(((iou, part) for part, iou in facts["iou"].items() if iou is not None), reverse=True)
    width = max(len(part) for _, part in known)
    told += [f"    {part:<{width}}  {iou:.4f}" for iou, part in known]
    return [*told, f"  which class was taken for which: {out / CONFUSION}; samples with a legend: {out / PICTURE}"]


def _draw(scores: ClassScores, *, names: tuple[str, ...], out: Path) -> None:
    write_durable(out / CONFUSION, confusion_picture(scores.counts, names=names))
    samples = [(sample.image, sample.prediction, sample.truth) for sample in scores.shown]
    write_durable(out / PICTURE, encode_image(class_rows(samples, names=names)))
