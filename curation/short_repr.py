"""How values that hold much show themselves: one line, whatever is in them."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any, Final

ITEMS_SHOWN: Final = 2
CHARACTERS_SHOWN: Final = 60


def short_repr(value: Any) -> str:
    """Return the fields of a dataclass or a Struct in short: `__repr__ = short_repr` in its body.

    Of what holds more than two items the number is shown, of other long values the beginning.
    """
    names = getattr(value, "__struct_fields__", None) or value.__dataclass_fields__
    return f"{type(value).__name__}({', '.join(f'{name}={_shown(getattr(value, name))}' for name in names)})"


def _shown(value: Any) -> str:
    if isinstance(value, Sized) and not isinstance(value, str) and len(value) > ITEMS_SHOWN:
        return f"<{type(value).__name__} of {len(value):,}>"
    text = repr(value)
    return text if len(text) <= CHARACTERS_SHOWN else f"{text[:CHARACTERS_SHOWN]}..."
