"""Files of TensorFlow, written byte by byte as protocol buffers lay them out, with nothing of the project.

TensorFlow 2.21 reads them as they are meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FLOAT, INT32, UINT8, INT64 = 1, 3, 4, 9
TYPES = {np.dtype("f4"): FLOAT, np.dtype("i4"): INT32, np.dtype("u1"): UINT8, np.dtype("i8"): INT64}
SIZE = (32, 24)
Field = tuple[int, int | bytes | str]


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def pb(*fields: Field) -> bytes:
    """Return a message of fields, each a number and a whole number, text, or inner message."""
    found = b""
    for number, value in fields:
        if isinstance(value, int):
            found += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            found += varint(number << 3 | 2) + varint(len(data)) + data
    return found


def entry(key: str, value: bytes) -> bytes:
    return pb((1, key), (2, value))


def shape(*sides: int) -> bytes:
    return pb(*((2, pb((1, side))) for side in sides))


def of_type(number: int) -> bytes:
    return pb((6, number))


def of_shape(*sides: int) -> bytes:
    return pb((7, shape(*sides)))


def text(value: str) -> bytes:
    return pb((2, value))


def whole(*values: int) -> bytes:
    return pb((1, pb(*((3, value) for value in values))))


def tensor(values: NDArray[np.generic]) -> bytes:
    """Return a constant whose bytes lie as one block, also that of one value without axes."""
    told = pb((1, TYPES[values.dtype]), (2, shape(*values.shape)), (4, values.tobytes()))
    return pb((8, told))


def node(name: str, operator: str, *inputs: str, **attributes: bytes) -> bytes:
    taken: list[Field] = [(3, one) for one in inputs]
    return pb((1, name), (2, operator), *taken, *((5, entry(key, value)) for key, value in attributes.items()))


def constant(name: str, values: NDArray[np.generic]) -> bytes:
    return node(name, "Const", dtype=of_type(TYPES[values.dtype]), value=tensor(values))


def graph(*nodes: bytes, library: bytes = b"") -> bytes:
    return pb(*((1, one) for one in nodes), *(((2, library),) if library else ()))


KERNEL = np.array([[[[0, 1 / 50], [0, 0], [0, 0]]]], np.float32)
"""Of background 0, of person the red of a pixel / 50; with the bias of -2 the person is where red is over 100."""
BIAS = np.array([0, -2], np.float32)


def red_nodes(*, sides: Sequence[int] = (1, -1, -1, 3), taken: str = "ImageTensor") -> list[bytes]:
    """Return a graph from uint8 pixels to the logits of two classes, `logits`, and to the class, as DeepLab has it."""
    of_float = {"T": of_type(FLOAT), "data_format": text("NHWC")}
    return [
        node(taken, "Placeholder", dtype=of_type(UINT8), shape=of_shape(*sides)),
        node("Cast", "Cast", taken, SrcT=of_type(UINT8), DstT=of_type(FLOAT)),
        constant("kernel", KERNEL),
        constant("bias", BIAS),
        constant("axis", np.array(3, np.int32)),
        node("Conv", "Conv2D", "Cast", "kernel", strides=whole(1, 1, 1, 1), padding=text("SAME"), **of_float),
        node("logits", "BiasAdd", "Conv", "bias", **of_float),
        classes("logits"),
    ]


def classes(taken: str) -> bytes:
    types = {"T": of_type(FLOAT), "Tidx": of_type(INT32), "output_type": of_type(INT64)}
    return node("SemanticPredictions", "ArgMax", taken, "axis", **types)


def signature(inputs: Mapping[str, str], outputs: Mapping[str, str]) -> bytes:
    """Return what a SavedModel offers: names of inputs (uint8) and outputs (float), and the tensors that they are."""
    taken: list[Field] = [
        (1, entry(key, pb((1, name), (2, UINT8), (3, shape(1, *SIZE, 3))))) for key, name in inputs.items()
    ]
    given: list[Field] = [(2, entry(key, pb((1, name), (2, FLOAT)))) for key, name in outputs.items()]
    return pb(*taken, *given, (3, "tensorflow/serving/predict"))


def saved_model(folder: Path, *, signatures: Mapping[str, bytes], nodes: Sequence[bytes] | None = None) -> Path:
    """Write a SavedModel without variables that offers these signatures of the red model, or of other nodes."""
    meta = pb(
        (1, pb((4, "serve"))),
        (2, graph(*(red_nodes(sides=(1, *SIZE, 3)) if nodes is None else nodes))),
        *((5, entry(key, value)) for key, value in signatures.items()),
    )
    return _written(folder, meta)


def module_without_signature(folder: Path, *, functions: int = 1) -> Path:
    """Write a SavedModel of functions that take an image, and captured the kernel: no signature offers them."""
    names = [f"__inference_call_{number}" for number in range(functions)]
    library = pb(*((1, _function(name)) for name in names))
    objects = pb(
        (1, pb((4, pb((1, "root"))))),
        (1, pb((9, pb((1, "kernel"))))),
        *((2, entry(name, pb((2, 1)))) for name in names),
    )
    meta = pb((1, pb((4, "serve"))), (2, graph(constant("kernel", KERNEL), library=library)), (7, objects))
    return _written(folder, meta)


def _function(name: str) -> bytes:
    arguments = [(2, pb((1, "image"), (3, FLOAT))), (2, pb((1, "captured"), (3, FLOAT)))]
    told = pb((1, name), *arguments, (3, pb((1, "identity"), (3, FLOAT))))
    attributes = {"T": of_type(FLOAT), "data_format": text("NHWC")}
    body = node("Conv", "Conv2D", "image", "captured", strides=whole(1, 1, 1, 1), padding=text("SAME"), **attributes)
    traced = pb((1, entry("_output_shapes", pb((1, pb((7, shape(1, *SIZE, 3))))))))
    return pb((1, told), (3, body), (4, entry("identity", b"Conv:output:0")), (7, pb((1, 0), (2, traced))))


def _written(folder: Path, meta: bytes) -> Path:
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(pb((1, 1), (2, meta)))
    return folder


def card(path: Path, **fields: object) -> Path:
    """Write the card of the red model beside a file or folder, changed in some fields, and return that path."""
    told: dict[str, object] = {
        "input_size": list(SIZE),
        "channels": "RGB",
        "layout": "NHWC",
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "output": "class_ids",
        "person_index": 1,
        **fields,
    }
    name = path.name if path.is_dir() else path.name.partition(".")[0]
    path.with_name(f"{name}.yaml").write_text("".join(f"{key}: {value}\n" for key, value in told.items()))
    return path
