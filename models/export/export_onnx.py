"""A trained network as an ONNX file, which is published only when it predicts what the network predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch

from curation.errors import ConfigurationProblem, InputRefused
from curation.images.pixels import Image, Mask, Probability
from curation.labels.masks import mask_of
from curation.storage.files import fingerprint_file, sha256_of
from models.card import ModelCard, read_card
from models.export.forms import another_model
from models.faces.packaged import faces_of
from models.metrics.confusion import confusion, image_miou
from models.model_files import CARD
from models.networks.catalogue import network_named
from models.prediction.checks.probe import probe_image, probe_numbers, refuse_other_answer
from models.prediction.engines import (
    Engine,
    Torch,
    has_onnxruntime,
    has_openvino,
    open_onnxruntime,
    open_openvino,
)
from models.prediction.onnx_files.graph_card import refuse_other_graph
from models.prediction.onnx_files.safety import checked_onnx
from models.prediction.onnx_files.to_onnx import onnx_of
from models.prediction.outputs import SQUASHED, class_probabilities
from models.prediction.predictor import EnginePredictor
from models.prediction.weights import load_network

MAX_PROBABILITY_OFF: Final = 1e-4
"""Largest difference of a probability between torch and the ONNX file."""
MAX_MIOU_OFF: Final = 1e-3
"""Largest difference of an image's mIoU."""
LARGE_LOG_ODDS: Final = 100.0
"""From here on rounding alone moves probabilities by more than is allowed, and differences are judged by this size. A
network that was hardly trained has log-odds of thousands."""
MAX_SHARE_OFF: Final = 1e-4
"""Largest difference of log-odds, as a share of the largest of them, where these are large."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checked:
    """A picture to compare predictions on, with its label where there is one."""

    name: str
    image: Image
    label: Mask | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How far a runtime lies from torch: the largest difference of a probability and of an image's mIoU, and where.

    Of `images` pictures so many are `close`: neither differs by more than is allowed.
    """

    runtime: str
    images: int
    close: int
    probability_off: float
    probability_worst: str
    miou_off: float
    miou_worst: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Export:
    """An ONNX model that was checked, its card, and how far each runtime is from torch."""

    data: bytes
    card: ModelCard
    comparisons: tuple[Comparison, ...]


def checked_export(run: Path, *, file: Path, pictures: Sequence[Checked]) -> Export:
    """Return the network of a run folder as ONNX, once every runtime predicts with it what torch predicts.

    It is compared on `pictures` and on the probe; `file` is where it is going to be, for messages.
    Raises InputRefused when a runtime differs, and what `load_network` raises.
    """
    network, card = load_network(run)
    data = checked_onnx(onnx_of(network, card=card), file=file)
    card = msgspec.structs.replace(card, sha256=sha256_of(data))
    refuse_other_graph(data, card=card, file=file)
    comparisons = compared(data, card=card, reference=Torch(network), pictures=pictures)
    refuse_differences(comparisons, file=file, may_jump=network_named(card.network or "").may_jump)
    return Export(data=data, card=card, comparisons=tuple(comparisons))


def is_published(run: Path, *, file: Path) -> bool:
    """Tell whether `file` is the whole export of the model that is in a run folder now.

    Raises InputRefused when it is another model's.
    """
    card = file.with_suffix(".yaml")
    if not card.exists():
        return False  # an export that was stopped before its card
    of_run, of_file = read_card(run / CARD), read_card(card)
    if file.exists() and of_file == msgspec.structs.replace(of_run, sha256=fingerprint_file(file)):
        return True
    raise another_model(file)


def compared(data: bytes, *, card: ModelCard, reference: Engine, pictures: Sequence[Checked]) -> list[Comparison]:
    """Compare an ONNX model in every runtime that is installed with a reference, on pictures and on the probe.

    Raises InputRefused when a runtime answers the probe otherwise than the card remembers.
    """
    faces = faces_of(card)
    truth = EnginePredictor(reference, card=card, name="torch", faces_of=faces)
    found = []
    for name, engine in _runtimes(data, card=card):
        of_probe = EnginePredictor(engine, card=card, name=name).scores([probe_image()])[0]
        refuse_other_answer(probe_numbers(of_probe, card=card), card=card, where=name)
        predictor = EnginePredictor(engine, card=card, name=name, faces_of=faces)
        found.append(
            _comparison(
                truth,
                predictor,
                pictures=[Checked(name="the probe", image=probe_image()), *pictures],
                card=card,
            )
        )
    return found


def refuse_differences(comparisons: Sequence[Comparison], *, file: Path, may_jump: bool) -> None:
    """Raise InputRefused when a runtime is too far off, naming the picture, ConfigurationProblem when there is none.

    Of a network that may jump (see `Network`) it is enough that most pictures are close.
    """
    if not comparisons:
        raise ConfigurationProblem(
            "neither ONNX Runtime nor OpenVINO is installed, so the export cannot be checked",
            remedy="pip install 'portrait-curate[models]'",
        )
    for one in comparisons:
        if one.close < one.images and not (may_jump and 2 * one.close > one.images):
            raise InputRefused(
                f"{one.runtime} does not predict what torch predicts, so nothing was written: probabilities differ by "
                f"up to {one.probability_off:.2g} (allowed {MAX_PROBABILITY_OFF:g}) on {one.probability_worst}, "
                f"mIoU by up to {one.miou_off:.2g} (allowed {MAX_MIOU_OFF:g}) on {one.miou_worst}",
                where=file,
                remedy="report it with the run folder; meanwhile predict with the run folder itself",
            )


def _runtimes(data: bytes, *, card: ModelCard) -> list[tuple[str, Engine]]:
    threads = torch.get_num_threads()
    engines: list[tuple[str, Engine]] = []
    if has_onnxruntime():
        engines.append(("ONNX Runtime", open_onnxruntime(data, card=card, threads=threads)))
    if has_openvino():
        engines.append(("OpenVINO", open_openvino(data, card=card, threads=threads)))
    return engines


def _comparison(
    truth: EnginePredictor, other: EnginePredictor, *, pictures: Sequence[Checked], card: ModelCard
) -> Comparison:
    found, close = [], 0
    for picture in pictures:
        wanted, got = truth.predict([picture.image])[0], other.predict([picture.image])[0]
        # without a label, the reference's own mask is the measure
        label = mask_of(wanted) if picture.label is None else picture.label
        miou_off = abs(_miou(wanted, label=label) - _miou(got, label=label))
        off = max(float(np.abs(wanted - got).max()), _classes_off(truth, other, image=picture.image, card=card))
        is_close = off <= MAX_PROBABILITY_OFF and miou_off <= MAX_MIOU_OFF
        close += is_close or (card.output in SQUASHED and _is_rounding(truth, other, image=picture.image))
        found.append((off, miou_off, picture.name))
    worst, miou_worst = max(found, key=lambda one: one[0]), max(found, key=lambda one: one[1])
    return Comparison(
        runtime=other.name,
        images=len(pictures),
        close=close,
        probability_off=worst[0],
        probability_worst=worst[2],
        miou_off=miou_worst[1],
        miou_worst=miou_worst[2],
    )


def _is_rounding(truth: EnginePredictor, other: EnginePredictor, *, image: Image) -> bool:
    """Tell whether log-odds are so large that probabilities say little, and differ by no more than a share of them."""
    wanted, got = truth.scores([image])[0], other.scores([image])[0]
    size = float(np.abs(wanted).max())
    return size > LARGE_LOG_ODDS and float(np.abs(wanted - got).max()) <= MAX_SHARE_OFF * size


def _classes_off(truth: EnginePredictor, other: EnginePredictor, *, image: Image, card: ModelCard) -> float:
    """Return the largest difference of the probability of a class; 0 where the classes are no parts of a person."""
    if not card.class_names:
        return 0.0
    wanted, got = (class_probabilities(one.output([image]), card=card) for one in (truth, other))
    return float(np.abs(wanted - got).max())


def _miou(prediction: Probability, *, label: Mask) -> float:
    return image_miou(confusion(mask_of(prediction), truth=label))
