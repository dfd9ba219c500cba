"""YAML that people write, looked over before it is read: nothing in it may be lost, or grow beyond memory."""

from __future__ import annotations

import yaml


def refuse_aliases(text: bytes) -> None:
    """Raise ValueError for aliases, yaml.YAMLError for what is not YAML."""
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
        raise ValueError("aliases (`*name`) are not read: a few of them can stand for more than memory holds")


def refuse_repeated_keys(text: bytes) -> None:
    """Raise ValueError for a key that occurs twice, of which readers silently keep the last, and for a NUL in a text.

    Raises yaml.YAMLError for what is not YAML.

    >>> refuse_repeated_keys(b"allow: [MIT]\\nunknown: true\\nallow: ['*']")
    Traceback (most recent call last):
    ValueError: the key 'allow' occurs twice, the second time in line 3
    """
    try:
        nodes = [yaml.compose(text, Loader=yaml.SafeLoader)]
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    seen: set[int] = set()  # where there are aliases, a node stands in more than one place
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.ScalarNode) and "\0" in node.value:
            raise ValueError(f"line {node.start_mark.line + 1} holds the character NUL, which no path and no name has")
        elif isinstance(node, yaml.MappingNode):
            nodes += [value for _, value in node.value]
            _check_keys([key for key, _ in node.value])


def _check_keys(keys: list[yaml.Node]) -> None:
    seen: set[str] = set()
    for key in keys:
        name = str(key.value)
        if name in seen:
            raise ValueError(f"the key {name!r} occurs twice, the second time in line {key.start_mark.line + 1}")
        seen.add(name)
