"""The rows of a dataset for which a pandas query holds, such as `person_area > 0.2 and split == "train"`."""

from __future__ import annotations

import ast
import re
import tokenize
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.chosen_rows import ChosenRows
from curation.dataset.dataset import Dataset, frame_of
from curation.errors import InputRefused

QUERY_FAULTS: Final = (
    *(SyntaxError, ValueError, TypeError, KeyError, NameError, AttributeError, AssertionError),
    *(ArithmeticError, NotImplementedError, RecursionError, re.error, tokenize.TokenError),
)
"""What pandas raises for queries which it cannot read, or which do not fit the columns."""
QUOTED: Final = re.compile(r"`([^`]*)`")
"""A column whose name is no word stands in backticks."""
PLACEHOLDER: Final = "quoted_column_of_the_query"
OF_ONE_ROW: Final = frozenset(
    {"str", "isna", "isnull", "notna", "notnull", "isin", "between", "abs", "round", "fillna", "astype", "clip"}
)
"""Attributes and methods of a column that look at each row alone."""
OF_TEXTS: Final = frozenset(
    {"len", "lower", "upper", "strip", "startswith", "endswith", "contains", "match", "fullmatch", "slice", "count"}
    | {"get", "find", "replace", "removeprefix", "removesuffix", "isdigit", "isnumeric", "isdecimal"}
)
"""Those of a column of texts, as in `source.str.startswith("coco")`."""
FUNCTIONS: Final = frozenset(
    {"sin", "cos", "tan", "exp", "log", "expm1", "log1p", "log10", "sqrt", "abs", "floor", "ceil", "arctan2"}
    | {"sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh"}
)
"""What pandas knows as functions in a query. Source: https://pandas.pydata.org/docs/user_guide/enhancingperf.html."""
PLAIN: Final = (
    *(ast.Expression, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.keyword, ast.Attribute, ast.Name),
    *(ast.Constant, ast.List, ast.Tuple, ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.expr_context),
)
"""What a query is made of that looks at each row alone."""


def select_rows(dataset: Dataset, query: str | None) -> pa.Table:
    """Return the rows for which a pandas query holds, in their order; all of them for None.

    Raises InputRefused for a query that does not fit the columns, or that `rows_where` cannot answer.
    """
    if query is None:
        return dataset.table
    holds = rows_where(dataset, query)
    if dataset.rows.is_in_memory:
        return dataset.table.filter(pa.array(holds))
    found = ChosenRows(dataset.rows, np.flatnonzero(holds))
    return pa.concat_tables([dataset.schema.empty_table(), *found.batches(dataset.schema.names)])


def rows_where(dataset: Dataset, query: str) -> NDArray[np.bool_]:
    """Return for each row whether a pandas query holds; it is not where the query gives no answer.

    A manifest in parts is asked part by part, by those columns alone that the query names. Raises InputRefused for a
    query that does not fit the columns, and there also for one that compares rows with each other, such as a mean.
    """
    columns: list[str] | None = None
    try:
        columns = _columns_asked(dataset, query)
    except InputRefused:
        if not dataset.rows.is_in_memory:
            raise
    if dataset.rows.is_in_memory:  # all at once: a mean, say, is that of all rows
        return _holds(dataset, query, table=dataset.table if columns is None else dataset.table.select(columns))
    return np.concatenate([_holds(dataset, query, table=table) for table in dataset.batches(columns)])


def _holds(dataset: Dataset, query: str, *, table: pa.Table) -> NDArray[np.bool_]:
    try:
        holds: Any = frame_of(table).eval(query)
        if getattr(holds, "dtype", None) not in ("bool", "boolean"):
            raise TypeError("it is no condition; compare a column with == or >, and quote texts: split == 'train'")
    except QUERY_FAULTS as error:
        raise InputRefused(
            f"the query {query!r} does not work: {error}",
            where=dataset.folder,
            remedy=f"quote texts, as in split == 'train'; the columns are {', '.join(dataset.schema.names)}",
        ) from error
    return np.asarray(holds.fillna(False).to_numpy(dtype=bool))


def _columns_asked(dataset: Dataset, query: str) -> list[str]:
    """Return the columns that a query names; raises InputRefused where it may compare rows with each other."""
    try:
        tree = ast.parse(QUOTED.sub(PLACEHOLDER, query).strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError) as error:
        raise _not_by_parts(dataset, query, what=str(error)) from error
    for node in ast.walk(tree):
        if what := _across_rows(node):
            raise _not_by_parts(dataset, query, what=what)
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {function.id for function in functions if isinstance(function, ast.Name)} & FUNCTIONS
    names = {*QUOTED.findall(query), *_names(tree)} - {PLACEHOLDER} - (called - {*dataset.schema.names})
    if others := sorted(names - {*dataset.schema.names}):
        raise _not_by_parts(dataset, query, what=f"{others[0]!r} is no column")
    # a query without a column is answered by pandas, which refuses it
    return [name for name in dataset.schema.names if name in names] or ["id"]


def _across_rows(node: ast.AST) -> str:
    """Return what in a node of a query may look at more than one row, "" where nothing does."""
    if not isinstance(node, PLAIN):
        return type(node).__name__
    if isinstance(node, ast.Attribute):
        is_of_texts = isinstance(node.value, ast.Attribute) and node.value.attr == "str"
        return "" if node.attr in (OF_TEXTS if is_of_texts else OF_ONE_ROW) else node.attr
    if isinstance(node, ast.keyword):
        return "method" if node.arg == "method" else ""
    looked_in: list[ast.AST] = []
    if isinstance(node, ast.Compare):
        pairs = zip(node.ops, node.comparators, strict=True)
        looked_in = [right for operator, right in pairs if isinstance(operator, ast.In | ast.NotIn)]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "isin":
        looked_in = [*node.args, *node.keywords]
    elif isinstance(node, ast.List | ast.Tuple):
        looked_in = [*node.elts]
    return "a value is looked for in a column" if any(_names(one) for one in looked_in) else ""


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _not_by_parts(dataset: Dataset, query: str, *, what: str) -> InputRefused:
    return InputRefused(
        f"the query {query!r} cannot be answered part by part: {what}",
        where=dataset.folder,
        remedy="compare columns of the same row with each other or with values, not with a mean or rank of all rows; "
        f"the columns are {', '.join(dataset.schema.names)}",
    )
