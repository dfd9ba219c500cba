"""Frozen graphs of TensorFlow: what they give, and the part of one that gives a named output."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from curation.errors import InputRefused
from models.prediction.foreign.tensorflow_messages import attribute, is_readable, message

UNFROZEN: Final = frozenset({"Variable", "VariableV2", "VarHandleOp", "RestoreV2"})
"""Operators whose weights lie in other files."""
GIVES_NOTHING: Final = frozenset({"Assert", "Const", "NoOp", "Placeholder", "PlaceholderWithDefault"})
FREEZE: Final = "save it as a SavedModel, `tf.saved_model.save(model, FOLDER)`, and give that folder"
NO_GRAPH: Final = "give a graph in binary form, whose weights are in it, as a frozen graph or a SavedModel"
RENAME: Final = "call it saved_model.pb again, in a folder with its `variables`, and give that folder"
OF_SAVED_MODELS: Final = b"\x08\x01"
"""How they begin: with the version of their schema, where a graph has its first operator."""
SCALARS: Final[dict[int, tuple[str, str]]] = {
    1: ("float_val", "<f4"),
    2: ("double_val", "<f8"),
    3: ("int_val", "<i4"),
    4: ("int_val", "u1"),
    5: ("int_val", "<i2"),
    6: ("int_val", "i1"),
    9: ("int64_val", "<i8"),
    10: ("bool_val", "?"),
    19: ("half_val", "<u2"),
}
"""Of `DataType`, the field that holds values one by one, and how they lie in `tensor_content`."""


def parsed_graph(data: bytes, *, file: Path) -> Any:
    """Return the graph in a frozen graph's file. Raises InputRefused: another file, or one without its weights."""
    graph = message("Graph")
    try:
        graph.ParseFromString(data)
    except DecodeError as error:
        raise InputRefused(f"not a graph of TensorFlow: {error}", where=file, remedy=NO_GRAPH) from error
    if data.startswith(OF_SAVED_MODELS):
        raise InputRefused("this is the graph of a SavedModel", where=file, remedy=RENAME)
    if not is_readable(graph):
        raise InputRefused("not a graph of TensorFlow: names in it are no text", where=file, remedy=NO_GRAPH)
    if not graph.node or not all(node.name and node.op for node in graph.node):
        raise InputRefused("not a graph of TensorFlow: it holds no operators", where=file, remedy=NO_GRAPH)
    lost = next((node for node in graph.node if node.op in UNFROZEN), None)
    if lost is not None:
        reason = f"its weights are not in it: it reads {lost.name!r} ({lost.op}) from other files"
        raise InputRefused(reason, where=file, remedy=FREEZE)
    return graph


def ends_of(graph: Any) -> list[str]:
    """Return the operators that give something that no other takes, in their order: what a graph is for."""
    taken = {_producer(name) for node in graph.node for name in node.input if not name.startswith("^")}
    return [node.name for node in graph.node if node.name not in taken and node.op not in GIVES_NOTHING]


def part_for(graph: Any, *, output: str, file: Path) -> Any:
    """Return the part of a graph that gives an output, an operator of any place in it, without what only waits.

    Raises InputRefused where there is none of this name.
    """
    nodes = {node.name: node for node in graph.node}
    wanted = output.removesuffix(":0")
    if wanted not in nodes or nodes[wanted].op in GIVES_NOTHING:
        ends = ", ".join(ends_of(graph)) or "nothing"
        reason = f"output_name: the card says {output!r}, the graph has no such operator; it ends in {ends}"
        raise InputRefused(reason, where=file, remedy="correct output_name in the card")
    kept, left = {wanted}, [wanted]
    while left:
        for name in map(_producer, nodes[left.pop()].input):
            if name in nodes and name not in kept:
                kept.add(name)
                left.append(name)
    part = message("Graph")
    part.library.CopyFrom(graph.library)
    for node in graph.node:
        if node.name in kept:
            taken = [name for name in node.input if not name.startswith("^")]
            added = part.node.add()
            added.CopyFrom(node)
            del added.input[:]
            added.input.extend(taken)
    return part


def mend_scalars(graph: Any) -> None:
    """Write constants of one value, but without axes, as OpenVINO 2026.4 reads them: where TensorFlow put the bytes of
    such a value it reads 0.
    """
    bodies = [body.node_def for body in graph.library.function]
    for node in (node for nodes in (graph.node, *bodies) for node in nodes if node.op == "Const"):
        tensor = attribute(node, "value").tensor
        if tensor.tensor_shape.dim or not tensor.tensor_content or tensor.dtype not in SCALARS:
            continue
        field, kind = SCALARS[tensor.dtype]
        getattr(tensor, field).extend(np.frombuffer(tensor.tensor_content, kind)[:1].tolist())
        tensor.tensor_content = b""


def _producer(name: str) -> str:
    """Return the operator that an input comes from.

    >>> [_producer(name) for name in ("a/b", "a/b:1", "^a/b")]
    ['a/b', 'a/b', 'a/b']
    """
    return name.removeprefix("^").partition(":")[0]
