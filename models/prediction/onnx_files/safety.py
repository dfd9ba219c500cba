"""What an ONNX file must be before any runtime sees it: whole in itself, of standard operators, and of sane size.

A runtime reads the files that a graph names, runs what a plug-in registers for a domain, and allocates what shapes
ask for. So a graph that names files, other domains, functions or loops, or whose tensors do not hold what their shapes
promise, is refused. What passes is written again from the checked parts, and reaches a runtime as bytes, not as a path.
Source: CVE-2022-25882, CVE-2024-27318, CVE-2024-5187 (paths of external data); ONNX IR specification 1.20.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from curation.errors import InputRefused, SecurityRefused

STANDARD_DOMAINS: Final = frozenset({"", "ai.onnx"})
ENDLESS: Final = frozenset({"Loop", "Scan", "SequenceMap"})
"""How often these run may depend on the image."""
BYTES_OF: Final[dict[int, int]] = {
    TensorProto.FLOAT: 4,
    TensorProto.UINT8: 1,
    TensorProto.INT8: 1,
    TensorProto.UINT16: 2,
    TensorProto.INT16: 2,
    TensorProto.INT32: 4,
    TensorProto.INT64: 8,
    TensorProto.BOOL: 1,
    TensorProto.FLOAT16: 2,
    TensorProto.DOUBLE: 8,
    TensorProto.UINT32: 4,
    TensorProto.UINT64: 8,
    TensorProto.BFLOAT16: 2,
}
"""The types of tensors that are read, with their size."""
MAX_ELEMENTS: Final = 1 << 28
"""Of one tensor: 1 GiB of float32, a batch of one 4096 x 4096 image in 16 channels."""
MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 8
"""Of graphs inside graphs."""
REEXPORT: Final = "export it again as one file of standard operators, e.g. with `torch.onnx.export` or `curate export`"


def checked_onnx(data: bytes, *, file: Path) -> bytes:
    """Return the model in an ONNX file, written again: equal in what it computes, without unknown fields.

    Raises SecurityRefused: external data, foreign domains, functions, loops, tensors that are not what they say;
    InputRefused: not ONNX. It parses with native code: call it in a process of its own.
    """
    model = _parsed(data, file=file)
    reason = next(_objections(model), None)
    if reason is not None:
        raise SecurityRefused(f"this ONNX file {reason}", where=file, remedy=REEXPORT)
    _leave_inputs_only(model.graph)
    _refuse_bombs(model, file=file)
    written: bytes = model.SerializeToString()
    return written


def _parsed(data: bytes, *, file: Path) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RuntimeError) as error:
        raise InputRefused(f"not a whole ONNX file: {error}", where=file, remedy=REEXPORT) from error
    if not model.graph.node or not model.opset_import:
        raise InputRefused("not an ONNX file: it holds no graph", where=file, remedy=REEXPORT)
    model.DiscardUnknownFields()  # a runtime of another version might know them
    return model


def _objections(model: ModelProto) -> Iterator[str]:
    """Yield what is wrong with a model, without running any of it."""
    for imported in model.opset_import:
        if imported.domain not in STANDARD_DOMAINS:
            yield f"uses operators of the domain {imported.domain!r}; only those of ONNX itself are run"
    if model.functions:
        yield f"brings functions of its own ({model.functions[0].domain}.{model.functions[0].name})"
    if model.training_info:
        yield "brings graphs for training"
    yield from _objections_to_graph(model.graph, depth=0)


def _objections_to_graph(graph: GraphProto, *, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH or len(graph.node) > MAX_NODES:
        yield f"has more than {MAX_DEPTH} graphs inside each other, or {MAX_NODES:,} operators in one"
        return
    for tensor in graph.initializer:
        yield from _objections_to_tensor(tensor)
    for sparse in graph.sparse_initializer:
        yield f"has a sparse tensor ({sparse.values.name!r})"
    for node in graph.node:
        yield from _objections_to_node(node, depth=depth)


def _objections_to_node(node: NodeProto, *, depth: int) -> Iterator[str]:
    name = node.name or node.op_type
    if node.domain not in STANDARD_DOMAINS:
        yield f"uses the operator {node.domain}.{node.op_type} ({name!r}); only those of ONNX itself are run"
    if node.op_type in ENDLESS:
        yield f"loops ({node.op_type} {name!r}); how long it runs is not known"
    for attribute in node.attribute:
        if attribute.type in {AttributeProto.SPARSE_TENSOR, AttributeProto.SPARSE_TENSORS}:
            yield f"has a sparse tensor (in {name!r})"
        for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
            yield from _objections_to_tensor(tensor)
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield from _objections_to_graph(graph, depth=depth + 1)


def _objections_to_tensor(tensor: TensorProto) -> Iterator[str]:
    name = tensor.name
    if tensor.external_data or tensor.data_location != TensorProto.DEFAULT:
        told = {entry.key: entry.value for entry in tensor.external_data}
        yield f"keeps the tensor {name!r} in another file ({told.get('location', 'unnamed')!r})"
    elif tensor.data_type not in BYTES_OF:
        yield f"has a tensor of the type {tensor.data_type} ({name!r}), which is none of whole bytes"
    elif any(side < 0 for side in tensor.dims) or math.prod(tensor.dims) > MAX_ELEMENTS:
        yield f"has a tensor of shape {list(tensor.dims)} ({name!r})"
    elif (promised := math.prod(tensor.dims)) != (held := _elements_in(tensor)):
        yield f"promises {promised:,} values in {name!r} and holds {held:,}"


def _elements_in(tensor: TensorProto) -> int:
    """Return how many values a tensor holds, by the length of its data."""
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data) // BYTES_OF[tensor.data_type]
    typed = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
    return max(map(len, typed))


def _leave_inputs_only(graph: GraphProto) -> None:
    """Take initialisers out of the inputs, where old exporters list them: they are constants here, not inputs."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    del graph.input[:]
    graph.input.extend(inputs)


def _refuse_bombs(model: ModelProto, *, file: Path) -> None:
    """Raise SecurityRefused when a tensor between operators would be larger than memory is meant to be."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        return  # shapes that cannot be inferred are found by a run on the probe, within limits of memory and time
    for value in (*inferred.graph.value_info, *inferred.graph.output, *inferred.graph.input):
        sides = [side.dim_value or 1 for side in value.type.tensor_type.shape.dim]
        if math.prod(sides) > MAX_ELEMENTS:
            reason = f"this ONNX file computes a tensor of shape {sides} ({value.name!r}), larger than any image needs"
            raise SecurityRefused(reason, where=file, remedy=REEXPORT)
