"""SavedModels of TensorFlow: which computations they offer, and a SavedModel that offers one of these alone.

A module that was saved without signatures offers its functions only to Python. Such a function gets a signature here:
an input, and a call with what the function had captured.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from curation.errors import InputRefused
from models.prediction.foreign.graphs import UNFROZEN, mend_scalars
from models.prediction.foreign.tensorflow_messages import attribute, is_readable, message

DEFAULT: Final = "serving_default"
"""The signature that is read where there is one; the one that is left gets its name."""
INITIAL: Final = "__saved_model_init_op"
SERVE: Final = "serve"
"""The tag of what is meant for inference."""
RESOURCE: Final = 20
"""Of `DataType`: what a variable is handed over as."""
ONE_SIGNATURE: Final = (
    "save it with one: `tf.saved_model.save(model, FOLDER, signatures=model.call.get_concrete_function(...))`"
)


def parsed_saved_model(data: bytes, *, file: Path) -> Any:
    """Return a SavedModel whose one graph offers its computations as signatures. Raises InputRefused."""
    model = message("SavedModel")
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise InputRefused(f"not a SavedModel: {error}", where=file, remedy=ONE_SIGNATURE) from error
    if not is_readable(model):
        raise InputRefused("not a SavedModel: names in it are no text", where=file, remedy=ONE_SIGNATURE)
    graphs = list(model.meta_graphs)
    served = [graph for graph in graphs if SERVE in graph.meta_info_def.tags] if len(graphs) > 1 else graphs
    if len(served) != 1:
        tags = "; ".join(" ".join(graph.meta_info_def.tags) for graph in graphs) or "none"
        reason = f"the SavedModel holds {len(graphs)} graphs (tags: {tags}), of which one is expected for inference"
        raise InputRefused(reason, where=file, remedy=ONE_SIGNATURE)
    kept = message("SavedModel")
    kept.saved_model_schema_version = model.saved_model_schema_version
    kept.meta_graphs.add().CopyFrom(served[0])
    graph = kept.meta_graphs[0]
    mend_scalars(graph.graph_def)
    if not list(_signatures(graph)):
        _sign(graph, file=file)
    return kept


def reads_variables(model: Any) -> bool:
    """Tell whether the graph of a SavedModel reads its weights from the files of variables."""
    return any(node.op in UNFROZEN - {"RestoreV2"} for node in model.meta_graphs[0].graph_def.node)


def choices_of(model: Any) -> list[str]:
    """Return what a card may name as output: an output, or where there are several signatures, `signature/output`."""
    signatures = list(_signatures(model.meta_graphs[0]))
    if len(signatures) == 1:
        return sorted(output.key for output in signatures[0].value.outputs)
    return sorted(f"{one.key}/{output.key}" for one in signatures for output in one.value.outputs)


def offering(model: Any, *, choice: str) -> bytes:
    """Return a SavedModel that offers one choice of `choices_of` alone."""
    kept = message("SavedModel")
    kept.CopyFrom(model)
    graph = kept.meta_graphs[0]
    signatures = list(_signatures(graph))
    named = {f"{one.key}/{output.key}": (one, output) for one in signatures for output in one.value.outputs}
    signature, output = named[choice if len(signatures) > 1 else f"{signatures[0].key}/{choice}"]
    alone = message("NamedSignature")
    alone.CopyFrom(signature)
    alone.key = DEFAULT
    del alone.value.outputs[:]
    alone.value.outputs.add().CopyFrom(output)
    del graph.signature_def[:]
    graph.signature_def.add().CopyFrom(alone)
    data: bytes = kept.SerializeToString()
    return data


def _signatures(graph: Any) -> Iterator[Any]:
    return (one for one in graph.signature_def if one.key != INITIAL and one.value.inputs and one.value.outputs)


def _sign(graph: Any, *, file: Path) -> None:
    """Give the one function of a graph without signatures a signature. Raises InputRefused where there is not one."""
    bodies = {body.signature.name: body for body in graph.graph_def.library.function}
    found = [
        (bodies[one.key], list(one.value.bound_inputs))
        for one in graph.object_graph_def.concrete_functions
        if one.key in bodies and len(bodies[one.key].signature.input_arg) > len(one.value.bound_inputs)
    ]
    if len(found) != 1:
        names = ", ".join(body.signature.name for body, _ in found) or "none"
        reason = f"the SavedModel has no signature, and {len(found)} functions that take something ({names})"
        raise InputRefused(reason, where=file, remedy=ONE_SIGNATURE)
    body, bound = found[0]
    arguments = list(body.signature.input_arg)
    inputs = list(_inputs(graph.graph_def, body=body, number=len(arguments) - len(bound)))
    captured = [_captured(graph, index=index, file=file) for index in bound]
    call = graph.graph_def.node.add(name=_free_name(graph.graph_def, "curate_call"), op="StatefulPartitionedCall")
    call.input.extend([*inputs, *captured])
    attribute(call, "f").func.name = body.signature.name
    attribute(call, "Tin").list.type.extend(argument.type for argument in arguments)
    attribute(call, "Tout").list.type.extend(argument.type for argument in body.signature.output_arg)
    signature = graph.signature_def.add(key=DEFAULT).value
    for argument, name in zip(arguments, inputs):
        _tell(signature.inputs.add(key=argument.name).value, tensor=f"{name}:0", dtype=argument.type)
    for index, argument in enumerate(body.signature.output_arg):
        _tell(signature.outputs.add(key=argument.name).value, tensor=f"{call.name}:{index}", dtype=argument.type)


def _tell(told: Any, *, tensor: str, dtype: int) -> None:
    told.name, told.dtype = tensor, dtype


def _inputs(graph: Any, *, body: Any, number: int) -> Iterator[str]:
    """Add an operator for each of the first arguments of a function, and yield their names."""
    shapes = {one.key: _shape(one.value) for one in body.arg_attr}
    for index, argument in enumerate(list(body.signature.input_arg)[:number]):
        node = graph.node.add(name=_free_name(graph, argument.name), op="Placeholder")
        attribute(node, "dtype").type = argument.type
        shape = shapes.get(index)
        if shape is None:
            attribute(node, "shape").shape.unknown_rank = True
        else:
            attribute(node, "shape").shape.CopyFrom(shape)
        yield node.name


def _shape(attributes: Any) -> Any:
    """Return the shape that a function was traced with; None where it does not say."""
    told = next((one.value for one in attributes.attr if one.key == "_output_shapes"), None)
    return told.list.shape[0] if told is not None and len(told.list.shape) else None


def _captured(graph: Any, *, index: int, file: Path) -> str:
    """Return the operator that gives what a function captured: a constant, or the handle of a variable."""
    nodes = graph.object_graph_def.nodes
    held = nodes[index] if 0 <= index < len(nodes) else message("SavedObject")
    if held.HasField("constant"):
        return str(held.constant.operation)
    named = held.variable.name
    for node in graph.graph_def.node:
        if node.op == "VarHandleOp" and named and attribute(node, "shared_name").s.decode("utf-8", "replace") == named:
            return str(node.name)
    reason = f"its function captures something that is neither a constant nor a variable of the graph ({named!r})"
    raise InputRefused(f"the SavedModel has no signature, and {reason}", where=file, remedy=ONE_SIGNATURE)


def _free_name(graph: Any, name: str) -> str:
    taken = {node.name for node in graph.node}
    return next(one for one in (name, *(f"{name}_{number}" for number in range(1, len(taken) + 2))) if one not in taken)
