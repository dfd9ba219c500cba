"""What a network makes of images on its way to a mask: its deepest activation, averaged over space.

Of a network that was exported to ONNX, that is the map of fewest pixels that convolutions make: the one that has seen
most of the image. What is taken is a part of the checked graph, up to that map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto, helper

from curation.errors import InputRefused, Interrupted
from curation.images.pixels import decode_image
from curation.quarantine import BadRecord
from curation.storage.files import named_file, read_file
from models.prediction.engines import Engine, input_shape, open_onnxruntime
from models.prediction.foreign.deepest_map import open_deepest
from models.prediction.ready_model import ReadyModel
from models.preprocessing import normalised, resized

LEAST_CHANNELS: Final = 16
"""A map of fewer says where something is, not what it is."""
CONVOLUTIONS: Final = frozenset({"Conv", "ConvTranspose"})
POINTWISE: Final = frozenset(
    {
        *("Add", "AveragePool", "BatchNormalization", "Clip", "Concat", "Elu", "HardSwish"),
        *("LeakyRelu", "MaxPool", "Mul", "PRelu", "Relu"),
    }
)
"""What keeps the axes (n, channels, h, w) of a convolution. After a Reshape or Transpose they may mean anything: in one
network at hand, blocks of pixels stand where channels do."""
SHAPES, END = "curate: shapes", "curate: end of a shape"
"""Names that no graph has."""
REMEDY: Final = "choose another selection"


def image_features(
    model: ReadyModel,
    *,
    images: Sequence[tuple[Path, str]],
    threads: int,
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Return (n, d): the mean over space of each channel of the deepest activation, for each image.

    An image is a folder and a name in it. What is no image, or where the numbers are not finite, has 0 everywhere.
    Raises InputRefused for a model that has no such activation, or that ONNX Runtime does not run.
    """
    engine, activation = _deepest(model, threads=threads)
    found = np.zeros((len(images), activation.shape[1]), np.float32)
    for index, (folder, name) in enumerate(images):
        features = _of_file(folder, name, model=model, engine=engine)
        if features is not None and np.isfinite(features).all():
            found[index] = features
        if progress is not None:
            progress(index + 1)
    return found


def _deepest(model: ReadyModel, *, threads: int) -> tuple[Engine, NDArray[Any]]:
    """Return an engine that gives the deepest activation, and what that is of a grey image."""
    if model.constants is None:
        return _opened(deepest_part(model, threads=threads), model=model, threads=threads)
    engine = open_deepest(model, threads=threads, least_channels=LEAST_CHANNELS)
    if engine is None:
        raise _no_map(model)
    return engine, engine.run(np.zeros(input_shape(model.card), model.card.dtype or np.float32))


def deepest_part(model: ReadyModel, *, threads: int) -> bytes:
    """Return the ONNX graph of a model whose only output is its deepest activation.

    That is the map of fewest pixels, but more than one, since one pixel is a gate or pooled context; of several the
    last in the order of the graph. Raises InputRefused where there is none.
    """
    whole = ModelProto()
    whole.ParseFromString(model.data)  # empty where torch runs the network: then there is no graph
    best, fewest = None, math.inf
    maps = _maps(whole.graph)
    for name, sides in zip(maps, _shapes(maps, whole=whole, model=model, threads=threads), strict=True):
        if len(sides) == 4 and sides[1] >= LEAST_CHANNELS and 1 < sides[2] * sides[3] <= fewest:
            best, fewest = name, sides[2] * sides[3]
    if best is None:
        raise _no_map(model)
    return _ending_in(helper.make_tensor_value_info(best, TensorProto.FLOAT, None), whole=whole)


def _no_map(model: ReadyModel) -> InputRefused:
    reason = f"its graph holds no map of {LEAST_CHANNELS} channels or more, to take features from"
    return InputRefused(reason, where=model.file, remedy=REMEDY)


def _maps(graph: GraphProto) -> list[str]:
    """Return the tensors that convolutions make, and what is pointwise made of them, in the order of the graph."""
    maps: dict[str, None] = {}
    for node in graph.node:
        if node.op_type in CONVOLUTIONS or (node.op_type in POINTWISE and any(name in maps for name in node.input)):
            maps |= dict.fromkeys(node.output[:1])
    return list(maps)


def _shapes(maps: Sequence[str], *, whole: ModelProto, model: ReadyModel, threads: int) -> list[list[int]]:
    """Return the shape of each map, by one run of the graph.

    Without a run they are not known where the graph computes shapes itself, as it does to shuffle channels.
    """
    if not maps:
        return []
    asking = ModelProto()
    asking.CopyFrom(whole)
    tensors = [f"{SHAPES} {index}" for index in range(len(maps))]
    asking.graph.node.extend(helper.make_node("Shape", [name], [one]) for name, one in zip(maps, tensors, strict=True))
    asking.graph.initializer.append(helper.make_tensor(END, TensorProto.INT64, [1], [-1]))
    parts = [name for one in tensors for name in (one, END)]
    asking.graph.node.append(helper.make_node("Concat", parts, [SHAPES], axis=0))
    part = _ending_in(helper.make_tensor_value_info(SHAPES, TensorProto.INT64, None), whole=asking)
    _, told = _opened(part, model=model, threads=threads)
    ends = np.flatnonzero(told < 0)
    return [one[one >= 0].tolist() for one in np.split(told, ends)[: len(maps)]]


def _ending_in(output: ValueInfoProto, *, whole: ModelProto) -> bytes:
    part = ModelProto()
    part.CopyFrom(whole)
    del part.graph.output[:]
    part.graph.output.append(output)
    data: bytes = part.SerializeToString()
    return data


def _opened(part: bytes, *, model: ReadyModel, threads: int) -> tuple[Engine, NDArray[Any]]:
    """Return an engine for a part of a model, and what that says of a grey image."""
    try:
        engine = open_onnxruntime(part, card=model.card, threads=threads)
        return engine, engine.run(np.zeros(input_shape(model.card), model.card.dtype or np.float32))
    except Interrupted:
        raise
    except Exception as error:
        reason = f"ONNX Runtime does not give its features: {' '.join(str(error).split())[:300]}"
        raise InputRefused(reason, where=model.file, remedy=REMEDY) from error


def _of_file(folder: Path, name: str, *, model: ReadyModel, engine: Engine) -> NDArray[np.float32] | None:
    try:
        path = named_file(folder, name)
        image = decode_image(read_file(path), file=str(path))
    except (BadRecord, OSError):
        return None  # told where the image is needed
    inputs = normalised(resized(image, size=model.card.input_size), card=model.card)
    return np.asarray(engine.run(inputs[None])[0].mean(axis=(1, 2), dtype=np.float64), np.float32)
