"""The known defects of public data sets: named catalogues that come with the tool, each statement with its source."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final, Literal

import msgspec

KnownBad = Literal["skip", "keep"]
Defect = Literal["os_metadata", "no_image", "duplicates", "misaligned", "parts_missing"]


class KnownDefect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One statement of a catalogue: which records, what is wrong with them, and who says so.

    `records` are names as the data set gives them: a path below its root, a file name, or an image number. `parts`
    are the part masks, of each record, that the statement is about.
    """

    defect: Defect
    records: list[str]
    parts: list[str] = []
    statement: str
    source: str


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The known defects of one data set."""

    name: str
    version: int
    defects: list[KnownDefect]

    def of(self, defect: Defect) -> list[KnownDefect]:
        """Return the statements about one kind of defect."""
        return [known for known in self.defects if known.defect == defect]


FOLDER: Final = "catalogues"


def read_catalogue(name: str) -> Catalogue:
    """Return a catalogue of this tool, e.g. `aifenge`."""
    return msgspec.json.decode(_bytes_of(name), type=Catalogue)


def edition(name: str) -> str:
    """Return name, version and hash of a catalogue: what a run's settings keep, since a catalogue changes its
    result.
    """
    return f"{name} v{read_catalogue(name).version} {hashlib.sha256(_bytes_of(name)).hexdigest()[:12]}"


def quoted(known: KnownDefect, *, catalogue: Catalogue) -> str:
    """Return the reason that stands in the quarantine for a record of a catalogue."""
    return f"{known.statement} (catalogue {catalogue.name} v{catalogue.version}; source: {known.source})"


def met(catalogue: Catalogue, *, present: set[str]) -> list[dict[str, object]]:
    """Return the statements of which at least one record is present, as the card's notes keep them."""
    return [
        {"defect": known.defect, "records": found, "statement": known.statement, "source": known.source}
        for known in catalogue.defects
        if (found := [record for record in known.records if record in present])
    ]


def _bytes_of(name: str) -> bytes:
    return (files("curation") / FOLDER / f"{name}.json").read_bytes()
