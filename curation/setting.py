"""A setting of a command: one field of a dataclass, from which its flag and the flag's help are made."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

REQUIRED: Final = dataclasses.MISSING


def setting(
    meaning: str, *, default: Any = REQUIRED, metavar: str | None = None, positional: bool = False, added: bool = False
) -> Any:
    """Declare a field of a settings dataclass: one line of meaning, a default, and how the flag looks.

    A setting that was `added` after the first version is kept on a dataset's card only where it is used, so that a run
    of an earlier version is known again.
    """
    metadata = {"meaning": meaning, "metavar": metavar, "positional": positional, "added": added}
    return dataclasses.field(default=default, metadata=metadata)
