"""Models of TensorFlow and TFLite as OpenVINO's own form, by its front ends: call it in a process of its own."""

from __future__ import annotations

import math
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from curation.errors import CurateError, InputRefused, Interrupted, SecurityRefused
from curation.storage.files import make_folder, write_bytes
from models import openvino_door
from models.prediction import engines
from models.prediction.checks.ports import Port, output_index
from models.prediction.foreign.graphs import mend_scalars, parsed_graph, part_for
from models.prediction.foreign.parcels import Parcel, chosen_output, outputs_of
from models.prediction.foreign.saved_models import offering, parsed_saved_model
from models.prediction.foreign.tflite_files import Tensor, ends_of_tflite
from models.prediction.onnx_files.safety import MAX_ELEMENTS

ENDLESS: Final = frozenset({"Loop", "TensorIterator"})
"""How often these run may depend on the image."""
MISSING_OPERATORS: Final = re.compile(
    r"No (?:translator|conversion rule) found for (?:operations?: )?(?P<names>[^\n]+?)(?: node)?\.?(?:\n|$)"
)
PLACES_IN_CODE: Final = re.compile(r"Exception from \S+:\d+:|Check '[^']*' failed at \S+:\d+:")
"""What OpenVINO puts before its reasons."""
DTYPES: Final = {
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "u8": "uint8",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
}
AS_ONNX: Final = (
    "take the model as ONNX: convert it where its operators are known, e.g. with tf2onnx (`--tflite` or `--graphdef`) "
    "or from its own framework, and give the ONNX file with this card"
)
AGAIN: Final = "save or convert the model again, or give it as ONNX with this card"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intermediate:
    """A model in OpenVINO's form, with one output: its graph as XML, and its constants."""

    xml: bytes
    constants: bytes


def converted(parcel: Parcel, *, output_name: str | None) -> Intermediate:
    """Return a model in OpenVINO's form, with the output that a card names and no other.

    Whole numbers that stand for others, as in quantised TFLite files, are taken and given as those; uint8 are taken as
    pixels. Raises InputRefused: not a model, an operator that OpenVINO lacks, by its name, no such output, or several;
    SecurityRefused: a loop, or a tensor that is larger than any image needs.
    """
    with tempfile.TemporaryDirectory(prefix="curate-") as place:
        folder = Path(place)
        model = _read(parcel, output_name=output_name, folder=folder)
        _refuse_greed(model, file=parcel.source)
        xml, constants = folder / "model.xml", folder / "model.bin"
        openvino_door.openvino_package().serialize(model, str(xml), str(constants))
        return Intermediate(xml=xml.read_bytes(), constants=constants.read_bytes())


def ports_of(model: Any) -> tuple[list[Port], list[Port]]:
    """Return the inputs and outputs of a model of OpenVINO; an input of any number of axes is one of any size."""
    return [_port(one, is_input=True) for one in model.inputs], [_port(one) for one in model.outputs]


def _read(parcel: Parcel, *, output_name: str | None, folder: Path) -> Any:
    if parcel.kind == "tflite":
        return _tflite(parcel, output_name=output_name, folder=folder)
    name = chosen_output(outputs_of(parcel), name=output_name, parcel=parcel)
    if parcel.kind == "frozen":
        part = part_for(parsed_graph(parcel.main, file=parcel.source), output=name, file=parcel.source)
        mend_scalars(part)
        write_bytes(folder / "model.pb", part.SerializeToString())
        return _opened(folder / "model.pb", parcel=parcel)
    saved = folder / "saved"
    data = offering(parsed_saved_model(parcel.main, file=parcel.source), choice=name)
    for told, content in (parcel.files | {"saved_model.pb": data}).items():
        make_folder((saved / told).parent)
        write_bytes(saved / told, content)
    return _opened(saved, parcel=parcel)


def _tflite(parcel: Parcel, *, output_name: str | None, folder: Path) -> Any:
    taken, given = ends_of_tflite(parcel.main, file=parcel.source)
    write_bytes(folder / "model.tflite", parcel.main)
    model = _opened(folder / "model.tflite", parcel=parcel)
    index = output_index(ports_of(model)[1], name=output_name, file=parcel.source)
    names = {one.name: one for one in (*taken, *given)}
    for output in list(model.outputs):
        _give_meant(output, tensors=names)
    for value in list(model.inputs):
        _take_meant(value, model=model, tensors=names)
    kept = openvino_door.openvino_package().Model([model.outputs[index].get_node()], model.get_parameters())
    kept.validate_nodes_and_infer_types()
    return kept


def _opened(path: Path, *, parcel: Parcel) -> Any:
    """Return a model as OpenVINO reads it. Raises InputRefused, naming the operators that it lacks."""
    try:
        model = openvino_door.openvino_core().read_model(str(path))
    except (Interrupted, CurateError):
        raise
    except Exception as error:
        said = str(error)
        if engines.is_out_of_memory(error):
            reason = "this model asks for more memory than a model needs, already where it is read"
            raise SecurityRefused(reason, where=parcel.source, remedy=AGAIN) from error
        lacking = sorted({found["names"].strip() for found in MISSING_OPERATORS.finditer(said)})
        if lacking:
            reason = f"OpenVINO has no operator {', '.join(lacking)}, which this model is made of"
            raise InputRefused(reason, where=parcel.source, remedy=AS_ONNX) from error
        told = " ".join(PLACES_IN_CODE.sub("", said).replace(str(path), parcel.source.name).split())[-400:]
        raise InputRefused(f"OpenVINO cannot read it: {told}", where=parcel.source, remedy=AGAIN) from error
    if not model.inputs or not model.outputs:
        reason = f"OpenVINO finds {len(model.inputs)} inputs and {len(model.outputs)} outputs in it"
        raise InputRefused(reason, where=parcel.source, remedy=AGAIN)
    return model


def _give_meant(output: Any, *, tensors: dict[str, Tensor]) -> None:
    """Let an output of whole numbers give those that they stand for, as float32."""
    tensor = tensors.get(_name(output))
    if tensor is None or tensor.scale is None or _dtype(output) not in {"uint8", "int8", "int16"}:
        return
    operators = openvino_door.openvino_operators()
    result = output.get_node()
    whole = result.input_value(0)
    names = whole.get_names()
    values = operators.convert(whole, "f32")
    real = operators.multiply(operators.subtract(values, _number(tensor.zero)), _number(tensor.scale))
    whole.set_names(set())
    real.output(0).set_names(names)
    result.input(0).replace_source_output(real.output(0))
    result.validate_and_infer_types()


def _take_meant(value: Any, *, model: Any, tensors: dict[str, Tensor]) -> None:
    """Let an input of int8 take the numbers that these stand for, as float32."""
    tensor = tensors.get(_name(value))
    if tensor is None or tensor.scale is None or _dtype(value) != "int8":
        return
    operators, old = openvino_door.openvino_operators(), value.get_node()
    names, users = value.get_names(), list(value.get_target_inputs())
    new = operators.parameter(value.get_partial_shape(), np.float32)
    steps = operators.add(operators.divide(new, _number(tensor.scale)), _number(tensor.zero))
    whole = operators.convert(operators.clamp(operators.round(steps, "half_to_even"), -128.0, 127.0), "i8")
    for user in users:
        user.replace_source_output(whole.output(0))
    value.set_names(set())
    new.output(0).set_names(names)
    model.add_parameters([new])
    model.remove_parameter(old)


def _number(value: float) -> Any:
    return openvino_door.openvino_operators().constant(np.float32(value))


def _refuse_greed(model: Any, *, file: Path) -> None:
    """Raise SecurityRefused where a graph loops, or computes a tensor that is larger than memory is meant to be."""
    for node in model.get_ordered_ops():
        kind, name = node.get_type_name(), node.get_friendly_name()
        if kind in ENDLESS:
            reason = f"this model loops ({kind} {name!r}); how long it runs is not known"
            raise SecurityRefused(reason, where=file, remedy=AGAIN)
        for output in node.outputs():
            shape = output.get_partial_shape()
            if shape.is_static and math.prod(shape.to_shape()) > MAX_ELEMENTS:
                sides = list(shape.to_shape())
                reason = f"this model computes a tensor of shape {sides} ({name!r}), larger than any image needs"
                raise SecurityRefused(reason, where=file, remedy=AGAIN)


def _port(value: Any, *, is_input: bool = False) -> Port:
    shape = value.get_partial_shape()
    sides: tuple[int | None, ...] = (None,) * 4 if is_input else ()
    if not shape.rank.is_dynamic:
        sides = tuple(None if side.is_dynamic else side.get_length() for side in shape)
    return Port(name=_name(value), dtype=_dtype(value), sides=sides)


def _name(value: Any) -> str:
    names = sorted(value.get_names(), key=len)
    return str(names[0]).removesuffix(":0") if names else str(value.get_node().get_friendly_name())


def _dtype(value: Any) -> str:
    told = str(value.get_element_type().get_type_name())
    return DTYPES.get(told, told)
