"""The messages of TensorFlow's files, as far as they are looked at: what is not named here is kept as it is.

Source: tensorflow/core/framework/{graph,node_def,attr_value,function,op_def}.proto and
tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph}.proto, of which these are the numbers of fields.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

PACKAGE: Final = "curate.tensorflow"
KINDS: Final = {"string": 9, "bytes": 12, "int64": 3, "int32": 5, "bool": 8, "float": 2, "double": 1}
"""The numbers of the types of fields in a descriptor; a field of any other type holds that message."""
MESSAGE: Final = 11
FIELDS: Final[dict[str, dict[str, tuple[int, str]]]] = {
    "Dimension": {"size": (1, "int64")},
    "Shape": {"dim": (2, "*Dimension"), "unknown_rank": (3, "bool")},
    "Tensor": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "Shape"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "*float"),
        "double_val": (6, "*double"),
        "int_val": (7, "*int32"),
        "int64_val": (10, "*int64"),
        "bool_val": (11, "*bool"),
        "half_val": (13, "*int32"),
    },
    "Values": {"i": (3, "*int64"), "type": (6, "*int32"), "shape": (7, "*Shape")},
    "Function": {"name": (1, "string")},
    "Value": {
        "list": (1, "Values"),
        "s": (2, "bytes"),
        "i": (3, "int64"),
        "b": (5, "bool"),
        "type": (6, "int32"),
        "shape": (7, "Shape"),
        "tensor": (8, "Tensor"),
        "func": (10, "Function"),
    },
    "Attribute": {"key": (1, "string"), "value": (2, "Value")},
    "Node": {"name": (1, "string"), "op": (2, "string"), "input": (3, "*string"), "attr": (5, "*Attribute")},
    "Argument": {"name": (1, "string"), "type": (3, "int32")},
    "Operator": {"name": (1, "string"), "input_arg": (2, "*Argument"), "output_arg": (3, "*Argument")},
    "Attributes": {"attr": (1, "*Attribute")},
    "OfArgument": {"key": (1, "int32"), "value": (2, "Attributes")},
    "FunctionBody": {"signature": (1, "Operator"), "node_def": (3, "*Node"), "arg_attr": (7, "*OfArgument")},
    "Library": {"function": (1, "*FunctionBody")},
    "Graph": {"node": (1, "*Node"), "library": (2, "Library")},
    "TensorInfo": {"name": (1, "string"), "dtype": (2, "int32"), "tensor_shape": (3, "Shape")},
    "NamedTensor": {"key": (1, "string"), "value": (2, "TensorInfo")},
    "Signature": {"inputs": (1, "*NamedTensor"), "outputs": (2, "*NamedTensor"), "method_name": (3, "string")},
    "NamedSignature": {"key": (1, "string"), "value": (2, "Signature")},
    "SavedConstant": {"operation": (1, "string")},
    "SavedVariable": {"name": (6, "string")},
    "SavedObject": {"variable": (7, "SavedVariable"), "constant": (9, "SavedConstant")},
    "Concrete": {"bound_inputs": (2, "*int32")},
    "NamedConcrete": {"key": (1, "string"), "value": (2, "Concrete")},
    "Objects": {"nodes": (1, "*SavedObject"), "concrete_functions": (2, "*NamedConcrete")},
    "MetaInfo": {"tags": (4, "*string")},
    "MetaGraph": {
        "meta_info_def": (1, "MetaInfo"),
        "graph_def": (2, "Graph"),
        "signature_def": (5, "*NamedSignature"),
        "object_graph_def": (7, "Objects"),
    },
    "SavedModel": {"saved_model_schema_version": (1, "int64"), "meta_graphs": (2, "*MetaGraph")},
}


def message(name: str) -> Any:
    """Return an empty message of one of the `FIELDS`."""
    return _classes()[name]()


@cache
def _classes() -> dict[str, Any]:
    """Return the class of each message, in a pool of its own: TensorFlow itself may be in the same process.

    Of the syntax that keeps what is written although it is 0: of an attribute that is 0, another leaves nothing.
    """
    file = descriptor_pb2.FileDescriptorProto(name="curate/tensorflow.proto", package=PACKAGE, syntax="proto2")
    for name, fields in FIELDS.items():
        made = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            inner = kind.removeprefix("*")
            label = 3 if kind != inner else 1
            if inner in KINDS:
                made.field.add(name=field, number=number, label=label, type=KINDS[inner])
            else:
                made.field.add(name=field, number=number, label=label, type=MESSAGE, type_name=f".{PACKAGE}.{inner}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in FIELDS}


def attribute(node: Any, key: str) -> Any:
    """Return the value of an attribute of a node, made where it has none."""
    found = next((one for one in node.attr if one.key == key), None)
    return (node.attr.add(key=key) if found is None else found).value


def is_readable(found: Any) -> bool:
    """Tell whether all names in a message are text: others are handed over as bytes."""
    for field, value in found.ListFields():
        if field.type == KINDS["string"]:
            texts = [value] if isinstance(value, str | bytes) else value
            if not all(isinstance(text, str) for text in texts):
                return False
        inner = [] if field.type != MESSAGE else [value] if hasattr(value, "ListFields") else value
        if not all(map(is_readable, inner)):
            return False
    return True
