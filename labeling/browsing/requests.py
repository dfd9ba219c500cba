"""What a request to the App may say: no class but the stages of a view, no code, and no dataset but those shown.

FiftyOne makes an object of whatever class a request names (`_cls`), which may be any function of Python; and a query of
MongoDB may hold JavaScript. So each body is read here, and what was read, not what was sent, is passed on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from graphql.language import Node

STAGES: Final = frozenset(
    f"fiftyone.core.stages.{name}"
    for name in [
        *("Exclude", "ExcludeBy", "ExcludeFields", "ExcludeLabels", "Exists", "FilterField", "FilterLabels", "GroupBy"),
        *("Limit", "LimitLabels", "Match", "MatchLabels", "MatchTags", "Select", "SelectBy", "SelectFields"),
        *("SelectLabels", "Shuffle", "Skip", "SortBy", "Take"),
    ]
)
"""Those that only look: none that writes files, names other files or datasets, or holds a whole query of MongoDB."""
AGGREGATIONS: Final = frozenset(
    f"fiftyone.core.aggregations.{name}"
    for name in [
        *("Bounds", "Count", "CountValues", "Distinct", "HistogramValues", "Max", "Mean", "Min", "Quantiles"),
        *("Std", "Sum", "Values"),
    ]
)
CODE: Final = frozenset({"$function", "$where", "$accumulator"})
TEXTS: Final = frozenset({"$symbol", "$code"})
"""Objects of MongoDB's JSON that the App reads as a text: `{"$symbol": NAME}` would name another dataset."""
CLASS_KEYS: Final = frozenset({"_cls", "_CLS"})
STAGE_MAPS: Final = frozenset({"extended", "extendedStages", "extended_stages"})
DATASET_KEYS: Final = frozenset({"dataset", "datasetName", "dataset_name", "generated_dataset"})
DATASET_FIELDS: Final = frozenset({"dataset", "setDataset"})
"""Fields of GraphQL that take the name of a dataset as `name`."""
DEEPEST: Final = 64


class Refused(Exception):
    """A request that is not served, with the status of HTTP that says so."""

    def __init__(self, reason: str, *, status: int) -> None:
        super().__init__(reason)
        self.status = int(status)


def checked_body(body: bytes, *, path: str, name: str) -> bytes:
    """Return the body of a request as it is passed on; `name` is that of the dataset shown.

    Raises Refused where it is no JSON, or says what it may not.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("this is no JSON", status=400) from None
    if not isinstance(said, dict):
        raise Refused("send one object of JSON", status=400)
    for part in _arguments(said) if path == "/graphql" else [said]:
        check(part, name=name)
    return json.dumps(said).encode()


def check(said: Any, *, name: str, depth: int = 0) -> None:
    """Raise Refused where a value, at any depth, names a class, code or a dataset that it may not."""
    if depth > DEEPEST:
        raise Refused("this is nested too deeply", status=400)
    if isinstance(said, Mapping):
        for key, value in said.items():
            _check_pair(key, value=value, name=name)
            check(value, name=name, depth=depth + 1)
    elif isinstance(said, list):
        for value in said:
            check(value, name=name, depth=depth + 1)


def _check_pair(key: str, *, value: Any, name: str) -> None:
    is_class = key in CLASS_KEYS and not (
        isinstance(value, str) and (value in STAGES | AGGREGATIONS or "." not in value)
    )
    is_stage = key in STAGE_MAPS and isinstance(value, Mapping) and not value.keys() <= STAGES
    if is_class or is_stage or key in CODE | TEXTS:
        raise Refused(f"browsing does not need this {key}", status=403)
    if key in DATASET_KEYS and isinstance(value, str) and value and value != name:
        raise Refused("only what `curate browse` was started with is shown", status=403)


def _arguments(said: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each argument of a GraphQL request under its own name: those of its variables are the sender's choice."""
    from graphql import GraphQLError, parse, value_from_ast_untyped
    from graphql.language import ArgumentNode, FieldNode, VariableDefinitionNode

    variables = said.get("variables") or {}
    if not isinstance(said.get("query"), str) or not isinstance(variables, dict):
        raise Refused("this is no request of GraphQL", status=400)
    try:
        document = parse(said["query"], max_tokens=20_000, no_location=True)
    except (GraphQLError, RecursionError):
        raise Refused("this is no request of GraphQL", status=400) from None
    nodes = list(_below(document))
    defaults = {
        node.variable.name.value: value_from_ast_untyped(node.default_value)
        for node in nodes
        if isinstance(node, VariableDefinitionNode) and node.default_value is not None
    }
    for node in nodes:
        if isinstance(node, ArgumentNode):
            yield {node.name.value: value_from_ast_untyped(node.value, defaults | variables)}
        elif isinstance(node, FieldNode) and node.name.value in DATASET_FIELDS:
            yield from (
                {"dataset": value_from_ast_untyped(argument.value, defaults | variables)}
                for argument in node.arguments
                if argument.name.value == "name"
            )


def _below(node: Node) -> Iterator[Node]:
    from graphql.language import Node

    yield node
    for key in node.keys:
        found = getattr(node, key, None)
        for child in found if isinstance(found, (list, tuple)) else [found]:
            if isinstance(child, Node):
                yield from _below(child)
