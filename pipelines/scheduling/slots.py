"""What became of every slot: one line of JSON each in `slots.jsonl`, the newest last."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from curation.errors import EnvironmentProblem
from curation.storage.files import write_durable

SLOTS: Final = "slots.jsonl"
KEPT: Final = 2000
"""Five years of daily rounds; a day and a half at one a minute."""

AT_WORK: Final = "at work"
SKIPPED: Final = "skipped"
LOST: Final = "lost"
INTERRUPTED: Final = "interrupted"
FAILED: Final = "failed"
UNFINISHED: Final = frozenset({LOST, INTERRUPTED})
DONE_CODES: Final = frozenset({0, 3})

Tell = Callable[[str], None]


class Slot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One time at which a round was due, or the first of several that one round stood for.

    `outcome` is what the round says (promoted, kept, first, nothing_to_do), or one of the constants above: `lost` is a
    round whose service was killed, `interrupted` one that was stopped, `skipped` a slot that came during a round.
    `why` is the calendar, or the new labels. `born` tells the process from a later one with the same number.
    """

    due: datetime
    started: datetime
    why: str = "calendar"
    stood_for: int = 1
    outcome: str = AT_WORK
    sentence: str = ""
    exit_code: int | None = None
    seconds: float | None = None
    round: int | None = None
    report: str | None = None
    log: str | None = None
    pid: int | None = None
    born: int | None = None

    @property
    def has_ended(self) -> bool:
        """Whether its round came to an end of its own, good or bad."""
        return self.exit_code is not None and self.outcome not in UNFINISHED | {SKIPPED}


class SlotBook:
    """The slots of a workspace. A change is on the disk when its method returns; a failed one is reported, retried."""

    def __init__(self, folder: Path, *, tell: Tell) -> None:
        self.path = folder / SLOTS
        self._tell = tell
        self._slots = read_slots(folder)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots, in the order in which they began."""
        return tuple(self._slots)

    def add(self, slot: Slot) -> None:
        """Note a new slot; the oldest beyond `KEPT` is forgotten."""
        self._slots = [*self._slots, slot][-KEPT:]
        self.write()

    def change(self, slot: Slot, **values: object) -> Slot:
        """Note what became of a slot that is there, and give it as it is now."""
        changed = msgspec.structs.replace(slot, **values)
        place = next(place for place, one in enumerate(self._slots) if one.started == slot.started)
        self._slots[place] = changed
        self.write()
        return changed

    def last_end(self) -> datetime | None:
        """Return when the last round began that came to an end, None where none did."""
        return max((slot.started for slot in self._slots if slot.has_ended), default=None)

    def unfinished(self) -> Slot | None:
        """Return the slot whose round is still owed, None where a later round came to an end."""
        begun = [slot for slot in self._slots if slot.outcome != SKIPPED]
        return begun[-1] if begun and begun[-1].outcome in UNFINISHED else None

    def write(self) -> None:
        """Bring all slots to the disk."""
        try:
            write_durable(self.path, b"".join(msgspec.json.encode(slot) + b"\n" for slot in self._slots))
        except EnvironmentProblem as problem:  # the next change writes all of them
            self._tell(f"warning: {problem}")


def read_slots(folder: Path) -> list[Slot]:
    """Return the slots of a workspace; a line that was damaged, or is of another version, is left out."""
    try:
        lines = (folder / SLOTS).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Slot))
        except (msgspec.DecodeError, ValueError):
            continue
    return found
