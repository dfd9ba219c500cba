"""One thing that `curate doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at: whether it is there, what was found, and how to repair it if it is not.

    Without something `is_needed` no command works; the rest serves some commands.
    """

    name: str
    is_fine: bool
    found: str
    remedy: str = ""
    is_needed: bool = False
