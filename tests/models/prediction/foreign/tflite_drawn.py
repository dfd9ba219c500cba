"""TFLite files of one operator, laid out with the FlatBuffers library by the field numbers of TensorFlow's schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

CONV_2D, CUSTOM = 3, 32
CONV_OPTIONS = 1
KINDS = {np.dtype("f4"): 0, np.dtype("i4"): 2, np.dtype("u1"): 3, np.dtype("i1"): 9}
SIZE = (32, 24)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A tensor: its name, type and shape, its values where it is a constant, and how its whole numbers are meant."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    values: NDArray[Any] | None = None
    scale: float | None = None
    zero: int = 0


def red_parts(*, size: tuple[int, int] = SIZE) -> list[Part]:
    """Return the tensors of a convolution: log-odds of person are the red of a pixel / 50, less 2."""
    return [
        Part(name="image", dtype="f4", shape=(1, *size, 3)),
        Part(name="kernel", dtype="f4", shape=(1, 1, 1, 3), values=np.array([1 / 50, 0, 0], "f4")),
        Part(name="bias", dtype="f4", shape=(1,), values=np.array([-2], "f4")),
        Part(name="logit", dtype="f4", shape=(1, *size, 1)),
    ]


def whole_parts(*, taken: str, given: str) -> list[Part]:
    """Return the same in whole numbers: pixels as they are (int8: less 128), and twentieths of log-odds."""
    image = Part(name="image", dtype=taken, shape=(1, *SIZE, 3), scale=1.0, zero=-128 if taken == "i1" else 0)
    logit = Part(name="logit", dtype=given, shape=(1, *SIZE, 1), scale=0.05, zero=0 if given == "i1" else 100)
    kernel = Part(name="kernel", dtype=taken, shape=(1, 1, 1, 3), values=np.array([1, 0, 0], taken), scale=0.02)
    bias = Part(name="bias", dtype="i4", shape=(1,), values=np.array([-100], "i4"), scale=0.02)
    return [image, kernel, bias, logit]


def tflite(parts: list[Part], *, custom: str | None = None) -> bytes:
    """Return a file of one convolution of the first three parts, which gives the last, or of another's operator."""
    build = flatbuffers.Builder(1024)
    buffers = [_table(build, 1, {}), *(_buffer(build, part) for part in parts)]
    tensors = [_tensor(build, part, buffer=index + 1) for index, part in enumerate(parts)]
    options = _table(build, 6, {1: ("Int32", 1), 2: ("Int32", 1)})
    taken, given = _ints(build, [0, 1, 2]), _ints(build, [3])
    chosen = {} if custom else {3: ("Uint8", CONV_OPTIONS), 4: ("UOffsetTRelative", options)}
    operator = _table(build, 9, {1: ("UOffsetTRelative", taken), 2: ("UOffsetTRelative", given), **chosen})
    kind = CUSTOM if custom else CONV_2D
    code_fields: dict[int, tuple[str, Any]] = {0: ("Int8", kind), 2: ("Int32", 1), 3: ("Int32", kind)}
    if custom:
        code_fields[1] = ("UOffsetTRelative", build.CreateString(custom))
    code = _table(build, 4, code_fields)
    lists = [_vector(build, tensors), _ints(build, [0]), _ints(build, [3]), _vector(build, [operator])]
    graph = _table(build, 5, {slot: ("UOffsetTRelative", one) for slot, one in enumerate(lists)})
    whole = [_vector(build, [code]), _vector(build, [graph]), None, _vector(build, buffers)]
    fields: dict[int, tuple[str, Any]] = {
        slot: ("UOffsetTRelative", one) for slot, one in enumerate(whole, start=1) if one is not None
    }
    build.Finish(_table(build, 8, {0: ("Uint32", 3), **fields}), b"TFL3")
    return bytes(build.Output())


def _table(build: Any, slots: int, fields: dict[int, tuple[str, Any]]) -> int:
    build.StartObject(slots)
    for slot, (kind, value) in fields.items():
        getattr(build, f"Prepend{kind}Slot")(slot, value, 0)
    return int(build.EndObject())


def _vector(build: Any, offsets: list[int]) -> int:
    build.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        build.PrependUOffsetTRelative(offset)
    return int(build.EndVector())


def _ints(build: Any, values: list[int]) -> int:
    return int(build.CreateNumpyVector(np.array(values, "i4")))


def _buffer(build: Any, part: Part) -> int:
    if part.values is None:
        return _table(build, 1, {})
    data = build.CreateNumpyVector(np.frombuffer(part.values.tobytes(), "u1"))
    return _table(build, 1, {0: ("UOffsetTRelative", data)})


def _tensor(build: Any, part: Part, *, buffer: int) -> int:
    fields: dict[int, tuple[str, Any]] = {
        0: ("UOffsetTRelative", _ints(build, list(part.shape))),
        1: ("Int8", KINDS[np.dtype(part.dtype)]),
        2: ("Uint32", buffer),
        3: ("UOffsetTRelative", build.CreateString(part.name)),
    }
    if part.scale is not None:
        scale = build.CreateNumpyVector(np.array([part.scale], "f4"))
        zero = build.CreateNumpyVector(np.array([part.zero], "i8"))
        quantisation = _table(build, 7, {2: ("UOffsetTRelative", scale), 3: ("UOffsetTRelative", zero)})
        fields[4] = ("UOffsetTRelative", quantisation)
    return _table(build, 8, fields)
