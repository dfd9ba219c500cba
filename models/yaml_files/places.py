"""Where in a YAML text something stands."""

from __future__ import annotations

from collections.abc import Sequence

import yaml


def line_of(text: bytes, *, keys: Sequence[str | int]) -> int:
    """Return the line, from 1, of what a path of keys and places in lists names, or of the last part that is there.

    >>> line_of(b"a: 1\\nb:\\n- c: 2\\n- d: 3\\n", keys=["b", 1, "d"])
    4
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 0
    for key in keys:
        if isinstance(node, yaml.MappingNode) and isinstance(key, str):
            pair = next((pair for pair in node.value if pair[0].value == key), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line
        else:
            break
    return line + 1
