"""A model fitted to one labelled photograph, for the rest of a video or of a session.

Source: Caelles et al. 2017, One-Shot Video Object Segmentation, section 3: a network that segments objects is trained
on with the first frame of a video, varied every time, and then segments the other frames one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from curation.errors import InputRefused
from curation.images.pixels import Image, Mask, decode_image, decode_mask
from curation.quarantine import BadRecord
from curation.storage.claimed_folder import lock_file, refuse_foreign
from curation.storage.files import make_folder, read_file, sha256_of, write_durable
from curation.storage.lock import exclusive
from models.card import TEACHER_LICENSES, ModelCard, read_card
from models.data.augmentation import augmented
from models.data.images import generator_of
from models.data.read_labels import Label, fitted
from models.losses.terms import loss_terms
from models.metrics.confusion import confusion, person_iou
from models.model_files import CARD, WEIGHTS, read_model_file, refuse_other_hash
from models.prediction.find_model import find_model
from models.prediction.outputs import person_scores, probabilities
from models.prediction.weights import load_network, save_model
from models.preprocessing import at_size
from models.training.run_folder import METRICS
from models.training.settings import DEFAULT_LOSSES
from models.training.validate import network_input

VARIANTS: Final = 4
"""Of the photograph in a step: turned, zoomed and coloured as `modern` draws it."""
GRADIENT_NORM: Final = 1.0
"""Gradients are no longer than this: one photograph can hold a batch that is far from what was learnt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSettings:
    """Which model is fitted to which image and mask, in how many steps; `device` is one that torch knows."""

    model: Path
    image: Path
    mask: Path
    steps: int
    learning_rate: float
    seed: int
    device: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """What a tuning begins with: the network on its card, and the photograph; `id` changes with all of it."""

    network: nn.Module
    card: ModelCard
    name: str
    image: Image
    label: Label
    id: str


def plan_tuning(settings: TuneSettings) -> Start:
    """Read model, image and mask.

    Raises InputRefused: no run folder, a network of other than 1 class or with the place of a face, a file that cannot
    be read, a mask of another size than the image, or one in which there is no person or nothing else.
    """
    found = find_model(settings.model)
    if not found.is_run:
        raise InputRefused(
            f"{'an ONNX file' if found.is_onnx else 'a model of TensorFlow or TFLite'} cannot be trained on",
            where=settings.model,
            remedy="give the run folder that it was exported from, with model.safetensors and model.yaml",
        )
    network, card = load_network(found.weights.parent)
    if card.output != "logit":
        reason = f"its network gives {card.classes} classes, and a mask tells of person and background alone"
        if card.classes == 1:
            reason = f"its network gives `output: {card.output}`, and a mask is learnt by `output: logit` alone"
        raise InputRefused(reason, where=settings.model, remedy="give a run folder that was trained with --classes 1")
    if card.structure.takes_place:
        reason = f"{card.network} takes the place of a face beside the image (prior: face), which is not tuned"
        raise InputRefused(reason, where=settings.model, remedy="give a run folder that was trained with --prior frame")
    data = [_read(file) for file in (settings.image, settings.mask)]
    try:
        image = decode_image(data[0], file=str(settings.image))
        mask = decode_mask(data[1], file=str(settings.mask))
    except BadRecord as problem:
        raise InputRefused(f"{problem.code}: {problem.reason}", where=problem.file, remedy=problem.hint) from problem
    _refuse_mask(mask, image=image, file=settings.mask)
    numbers = (settings.steps, settings.learning_rate, settings.seed)
    told = [card.sha256, *map(sha256_of, data), *numbers]
    id_ = sha256_of(msgspec.json.encode(told))[:16]
    return Start(network=network, card=card, name=found.name, image=image, label=mask & np.uint8(1), id=id_)


def tune(
    start: Start, *, settings: TuneSettings, out: Path, overwrite: bool, told: Callable[[int], None]
) -> tuple[dict[str, Any], bool]:
    """Train a model on with one photograph, and leave a run folder; return its `metrics.json`, and whether it is new.

    Batch norms keep their statistics, which one photograph cannot give. On a CPU the same settings on the same files
    give the same weights. Raises InputRefused where the folder holds something else, or the loss is not finite.
    """
    refuse_foreign(out, kind="model", is_ours=(out / CARD).exists())
    with exclusive(lock_file(out)):
        done = None if overwrite else _finished(out, id_=start.id)
        if done is not None:
            return done, False
        before = _iou(start)
        last = _learn(start, settings=settings, out=out, told=told)
        metrics: dict[str, Any] = {
            "command": "tune",
            "id": start.id,
            "model": start.name,
            "model_sha256": start.card.sha256,
            "network": start.card.network,
            "image": settings.image.name,
            "mask": settings.mask.name,
            "steps": settings.steps,
            "learning_rate": settings.learning_rate,
            "seed": settings.seed,
            "loss": last,
            "iou_person_before": before,
            "iou_person": _iou(start),
        }
        write_durable(out / METRICS, msgspec.json.format(msgspec.json.encode(metrics), indent=2) + b"\n")
        origin = {"run": out.resolve().name, **metrics}
        if TEACHER_LICENSES in start.card.training:
            origin[TEACHER_LICENSES] = start.card.training[TEACHER_LICENSES]
        save_model(start.network, folder=out, card=msgspec.structs.replace(start.card, training=origin))
        return metrics, True


def _learn(start: Start, *, settings: TuneSettings, out: Path, told: Callable[[int], None]) -> float:
    """Take the steps, and return the mean loss of the last tenth of them."""
    torch.manual_seed(settings.seed)
    make_folder(out)
    network = start.network.to(settings.device).eval()  # of batch norms the statistics, and of dropout nothing
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=0.0)
    image, label = fitted(start.image, start.label, size=start.card.input_size, classes=1)
    losses = []
    for step in range(settings.steps):
        images, target = _varied(image, np.asarray(label, np.uint8), step=step, seed=settings.seed)
        logits = network(network_input(images, card=start.card).to(settings.device))
        loss = loss_terms(logits, target.to(settings.device), weights=dict(DEFAULT_LOSSES))["total"]
        if not bool(torch.isfinite(loss)):
            remedy = f"give a lower --learning-rate than {settings.learning_rate:g}"
            raise InputRefused(
                f"the loss is {float(loss.detach())} in step {step + 1}", where=settings.model, remedy=remedy
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
        optimizer.step()
        losses.append(float(loss.detach()))
        told(step + 1)
    network.to("cpu")
    return float(np.mean(losses[-max(1, settings.steps // 10) :]))


def _varied(image: Image, label: Label, *, step: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return variants of the photograph, (n, h, w, 3) uint8, and their labels, (n, h, w) int64."""
    made = [
        augmented(image, label, policy="modern", rng=generator_of("tuned", seed=seed, epoch=step * VARIANTS + number))
        for number in range(VARIANTS)
    ]
    images = torch.from_numpy(np.stack([picture for picture, _ in made]))
    return images, torch.from_numpy(np.stack([mask for _, mask in made])).long()


def _iou(start: Start) -> float:
    """Return the IoU of person on the photograph itself, at its own size."""
    small, _ = fitted(start.image, start.label, size=start.card.input_size, classes=1)
    with torch.inference_mode():
        output = start.network.eval()(network_input(torch.from_numpy(small)[None], card=start.card)).numpy()
    probability = probabilities(person_scores(output, card=start.card), card=start.card)[0]
    found = at_size(probability, size=(start.label.shape[0], start.label.shape[1])) >= 0.5
    return person_iou(confusion(found.astype(np.uint8), truth=start.label))


def _finished(out: Path, *, id_: str) -> dict[str, Any] | None:
    """Return the metrics of this very tuning, None where there is no whole model; raises InputRefused for another one.

    They stand in the card as well, which is written last.
    """
    if not (out / CARD).exists():
        return None
    card = read_card(out / CARD)
    if card.training.get("id") != id_:
        remedy = "choose another --out, or give --overwrite"
        raise InputRefused("the folder holds another model, or one that was tuned otherwise", where=out, remedy=remedy)
    refuse_other_hash(read_model_file(out / WEIGHTS), card=card, file=out / WEIGHTS)
    return {name: value for name, value in card.training.items() if name != "run"}


def _read(file: Path) -> bytes:
    try:
        return read_file(file)
    except BadRecord as problem:
        raise InputRefused(f"{problem.code}: {problem.reason}", where=file, remedy=problem.hint) from problem


def _refuse_mask(mask: Mask, *, image: Image, file: Path) -> None:
    height, width = image.shape[:2]
    if mask.shape != (height, width):
        raise InputRefused(
            f"the mask is {mask.shape[1]} x {mask.shape[0]}, the image {width} x {height} (width x height)",
            where=file,
            remedy="give the mask of this very image, at its size",
        )
    if mask.all() or not mask.any():
        told = "holds no background" if mask.all() else "shows nobody"
        raise InputRefused(f"the mask {told}, so that there is nothing to learn", where=file, remedy="draw the person")
