"""What a model's file says of itself: its inputs and outputs, and what it gives for a few drawn pictures.

The file is read and run in a process of its own, as every foreign model is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from curation.building.engine import Job, Lost
from curation.building.local_engine import LOCAL
from curation.errors import CurateError, InputRefused, SecurityRefused
from models import openvino_door
from models.card import ModelCard
from models.model_files import FoundModel, read_model_file
from models.prediction import engines
from models.prediction.checks.ports import ONE_IMAGE, Port, no_image
from models.prediction.checks.probe import probe_image
from models.prediction.checks.real_pictures import plain_pictures
from models.prediction.find_model import find_model
from models.prediction.foreign.convert import AGAIN, Intermediate, ports_of
from models.prediction.foreign.parcels import outputs_of, parcel_of
from models.prediction.foreign.ready_foreign import intermediate_of, refuse_without_openvino
from models.prediction.foreign.tflite_files import ends_of_tflite
from models.prediction.inspection.begun_card import BegunCard, Output, Seen, begun_card, layout_of, size_of
from models.prediction.onnx_files.graph_card import ports_of as ports_of_onnx
from models.prediction.onnx_files.safety import checked_onnx
from models.prediction.prepare import OPENING_MEMORY_BYTES, OPENING_TIMEOUT_S
from models.preprocessing import normalised, resized

MOST_OUTPUTS: Final = 12
"""Each is read and run by itself."""
ANY_SIDE_PX: Final = 256
"""Of the pictures for a model that takes any size."""
SUM_OFF: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """The inputs and outputs of a model, and the card that they allow to begin; it belongs into `card_file`.

    `others` are the names of outputs that were not run: beyond the first 12, or those that the runtime cannot read.
    """

    form: str
    inputs: tuple[Port, ...]
    outputs: tuple[Output, ...]
    others: tuple[str, ...]
    card: BegunCard
    card_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A model with one output, as an engine opens it."""

    data: bytes
    constants: bytes | None
    output: Port


def inspect_model(path: Path) -> Inspected:
    """Return what a model's file says of itself.

    Raises InputRefused: no model, a run folder, which has its card, an operator that the runtime lacks, no image as
    input; SecurityRefused: a format that can carry code, or a file that ends its process; EnvironmentProblem.
    """
    found = find_model(path)
    if found.is_run:
        remedy = f"read {found.card}"
        raise InputRefused("this is a run folder of curate, which has its card", where=path, remedy=remedy)
    job = Job(open=_inspecting, workers=1, first_s=OPENING_TIMEOUT_S, memory_bytes=OPENING_MEMORY_BYTES, tries=1)
    [(_, outcome)] = LOCAL.run(job, [found])
    if isinstance(outcome, Lost):
        raise SecurityRefused(f"this model is not safe to open: {outcome.reason}", where=path, remedy=AGAIN)
    if isinstance(outcome, CurateError):
        raise outcome
    return outcome


def inspected_here(found: FoundModel) -> Inspected | CurateError:
    """Return what a model says of itself, in a process of its own; what stops the command comes back as a value."""
    try:
        inputs, parts, names = _onnx_parts(found) if found.is_onnx else _foreign_parts(found)
        if reasons := list(no_image(inputs)):
            return InputRefused("; ".join(reasons), where=found.path, remedy=ONE_IMAGE)
        outputs = [Output(port=part.output, seen=_seen(part, taken=inputs[0])) for part in parts]
        read = {one.port.name for one in outputs}
        others = tuple(name for name in names if name not in read)
        return Inspected(
            form=found.form,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            others=others,
            card=begun_card(inputs[0], outputs, others=others),
            card_file=found.card,
        )
    except CurateError as error:
        return error
    except MemoryError:
        return SecurityRefused("it asks for more memory than a model needs", where=found.path, remedy=AGAIN)


def _inspecting(_: int) -> Callable[[Sequence[FoundModel]], Iterator[Inspected | CurateError]]:
    return partial(map, inspected_here)


def _onnx_parts(found: FoundModel) -> tuple[list[Port], list[_Part], list[str]]:
    """Return the inputs, the model once for each output of the first, and the names of all outputs."""
    model = onnx.load_model_from_string(checked_onnx(read_model_file(found.weights), file=found.weights))
    inputs, outputs = ports_of_onnx(model)
    parts = []
    for port, value in list(zip(outputs, list(model.graph.output)))[:MOST_OUTPUTS]:
        alone = onnx.ModelProto()
        alone.CopyFrom(model)
        del alone.graph.output[:]
        alone.graph.output.append(value)
        parts.append(_Part(data=alone.SerializeToString(), constants=None, output=port))
    return inputs, parts, [port.name for port in outputs]


def _foreign_parts(found: FoundModel) -> tuple[list[Port], list[_Part], list[str]]:
    """Return as `_onnx_parts` does; outputs that cannot be read are left out, but not all."""
    refuse_without_openvino(found.path)
    parcel = parcel_of(found)
    if parcel.kind == "tflite":
        names = [tensor.name for tensor in ends_of_tflite(parcel.main, file=parcel.source)[1]]
    else:
        names = outputs_of(parcel)
    failure: CurateError | None = None
    inputs: list[Port] = []
    parts = []
    for name in names[:MOST_OUTPUTS]:
        try:
            made = intermediate_of(parcel, output_name=name if len(names) > 1 else None)
        except InputRefused as error:
            failure = error
            continue
        taken, output = _ports(made, name=name)
        inputs = inputs or taken
        parts.append(_Part(data=made.xml, constants=made.constants, output=output))
    if not parts:
        raise failure or InputRefused("the model has no output", where=found.path, remedy=AGAIN)
    return inputs, parts, names


def _ports(made: Intermediate, *, name: str) -> tuple[list[Port], Port]:
    inputs, outputs = ports_of(openvino_door.openvino_core().read_model(made.xml, made.constants))
    return inputs, Port(name=name, dtype=outputs[0].dtype, sides=outputs[0].sides)


def _seen(part: _Part, *, taken: Port) -> Seen | None:
    """Return what an output holds for drawn pictures, whose pixels become -1 to 1 where the input is no uint8."""
    layout = layout_of(taken)
    if layout is None or taken.dtype not in {"uint8", "float16", "float32"}:
        return None
    unit = (0.0, 1.0) if taken.dtype == "uint8" else (127.5, 127.5)
    card = ModelCard(
        input_size=size_of(taken, layout=layout) or (ANY_SIDE_PX, ANY_SIDE_PX),
        channels="RGB",
        layout=layout,  # type: ignore[arg-type]
        mean=(unit[0],) * 3,
        std=(unit[1],) * 3,
        output="probability",
        dtype=taken.dtype,  # type: ignore[arg-type]
        batch=taken.sides[0],
    )
    try:
        engine = _opened(part, card=card)
        pictures = [resized(image, size=card.input_size) for image in (probe_image(), *plain_pictures())]
        found = [engine.run(normalised(picture, card=card)[None]) for picture in pictures]
    except Exception:  # noqa: BLE001 - runtimes raise whatever they like; then nothing is told of the numbers
        return None
    return _told(found, size=card.input_size)


def _opened(part: _Part, *, card: ModelCard) -> Any:
    if engines.has_openvino():
        return engines.open_openvino(part.data, card=card, threads=1, constants=part.constants)
    return engines.open_onnxruntime(part.data, card=card, threads=1)


def _told(found: Sequence[NDArray[Any]], *, size: tuple[int, int]) -> Seen | None:
    values = [one.astype(np.float64) for one in found]
    if not all(np.isfinite(one).all() for one in values):
        return None
    low, high = min(float(one.min()) for one in values), max(float(one.max()) for one in values)
    axes = [axis for axis in (1, 3) if values[0].ndim == 4 and values[0].shape[axis] > 1]
    sums = [max(float(np.abs(one.sum(axis=axis) - 1).max()) for one in values) for axis in axes]
    is_share = low >= -SUM_OFF and min(sums, default=1.0) <= SUM_OFF
    return Seen(sides=values[0].shape, size=size, low=low, high=high, adds_up_to_one=is_share)
