"""Functions that take arrays say which shape and which values they have: in the docstring, or by the name of the type.

`python -m tests.house.test_shapes` prints the share, and the functions that say too little.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.test_rules import functions, name_of, python_files

LEAST_SHARE = 0.8
ARRAYS = re.compile(r"\b(NDArray|ndarray|Tensor)\b")
SHAPE = re.compile(r"\((?:[\w\s*+/-]+|\.\.\.),(?:\s*(?:[\w\s*+/-]+|\.\.\.),?)*\)")
"""`(h, w)`, `(n, 3, h, w)`, `(256,)`, `(..., 2)`."""
OTHER_PAIR = re.compile(r"`?\w*size`? \(height, width\)")
"""The size of an image by two numbers, which is no array."""
VALUES = re.compile(
    r"\d\s?\.\.|\bof 0 and \d|\b255\b|\b(u?int|b?float)\d+"
    r"|\b(bool|float|any dtype|any number|indices|logits|probabilit\w+|in pixels|0 or more)\b"
)
DTYPE = re.compile(r"NDArray\[np\.\w+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function that takes arrays, and whether it says all of each."""

    place: str
    says_all: bool


def says_shape(text: str) -> bool:
    """Return whether a text has the shape of an array in it.

    >>> says_shape("a mask (h, w) of 0 and 255"), says_shape("fit into `size` (height, width)")
    (True, False)
    """
    return SHAPE.search(OTHER_PAIR.sub("", text)) is not None


def aliases() -> dict[tuple[str, str], str]:
    """Return the types of arrays that have a name, by module and name, each with what is written below it."""
    found = {}
    for path in python_files(with_tests=False):
        body = ast.parse(path.read_text()).body
        for node, after in zip(body, [*body[1:], None], strict=True):
            is_alias = isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias"
            if is_alias and isinstance(node.target, ast.Name) and ARRAYS.search(ast.unparse(node.value or node)):
                text = (
                    after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
                )
                found[module_of(path), node.target.id] = str(text)
    return found


def module_of(path: Path) -> str:
    return name_of(path).removesuffix(".py").replace("/", ".")


def aliases_in(path: Path, *, known: dict[tuple[str, str], str]) -> dict[str, str]:
    """Return those of the known types that a file defines or imports, by name."""
    own = {name: text for (module, name), text in known.items() if module == module_of(path)}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            own |= {
                one.name: text for one in node.names if (text := known.get((node.module or "", one.name))) is not None
            }
    return own


def array_functions() -> Iterator[Function]:
    """Yield the functions with a docstring and at least one parameter that is an array."""
    known = aliases()
    for path in python_files(with_tests=False):
        named = aliases_in(path, known=known)
        names = re.compile(rf"\b({'|'.join([*named, 'NDArray', 'ndarray', 'Tensor'])})\b")
        for function in functions(path):
            docstring = ast.get_docstring(function)
            arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            kinds = [ast.unparse(argument.annotation) for argument in arguments if argument.annotation is not None]
            arrays = [kind for kind in kinds if names.search(kind)]
            if docstring and arrays:
                says_all = all(says(kind, docstring=docstring, named=named) for kind in arrays)
                yield Function(place=f"{name_of(path)}:{function.lineno}: {function.name}", says_all=says_all)


def says(kind: str, *, docstring: str, named: dict[str, str]) -> bool:
    """Return whether shape and values of a parameter of this kind are said: by its type's name, or in the docstring."""
    told = " ".join([docstring, *(text for name, text in named.items() if re.search(rf"\b{name}\b", kind))])
    return says_shape(told) and (DTYPE.search(kind) or VALUES.search(told)) is not None


@pytest.mark.parametrize("room", ["curation", "models", "labeling"])
def test_functions_that_take_arrays_say_their_shape_and_values(room: str) -> None:
    counted = [one for one in array_functions() if one.place.startswith(room)]
    silent = [one.place for one in counted if not one.says_all]
    share = 1 - len(silent) / len(counted)
    print(f"{room}: {share:.0%} of {len(counted)} functions that take arrays say shape and values")
    assert share >= LEAST_SHARE, silent


@pytest.mark.parametrize(
    ("docstring", "is_enough"),
    [
        ("Return the mean of `values` (n, 2) in 0..1.", True),
        ("Return the mean of `values` (n, 2).", False),
        ("Return the mean of `values` in 0..1.", False),
        ("Scale `values` in 0..1 to `size` (height, width).", False),
    ],
)
def test_the_rule_would_notice(docstring: str, is_enough: bool) -> None:
    assert says("torch.Tensor", docstring=docstring, named={}) == is_enough


if __name__ == "__main__":
    everything = list(array_functions())
    told = [one for one in everything if one.says_all]
    print(*(one.place for one in everything if not one.says_all), sep="\n")
    print(f"{len(told) / len(everything):.0%} of {len(everything)}")
