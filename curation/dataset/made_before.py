"""What a data set that an earlier version made may hold that would be otherwise today, and what to run.

Earlier versions read links in annotation files by their type alone, left out persons whose outline was broken without
a mark, took pixels as they are stored whatever their colour profile says, and told sources, groups and licences of two
files apart by the names of folders. Data sets tell by their `format`, and rows by their columns, which they may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from curation.dataset.card import FORMAT
from curation.dataset.dataset import Dataset
from curation.quarantine import Code

COMPUTED: Final = frozenset({"fuse", "matte"})
"""Commands that write pixels computed from those of photographs."""
MAYBE_PERSONS: Final = (Code.ORPHAN_ANN, Code.JSON_VALUE, Code.DUP_ID)
"""What annotations got that were passed over, where images that show nobody were looked for."""

ASKED: Final = ("mask", "label_version", "broken_parts", "ignore")
"""The columns that tell whether a mask lacks somebody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """One fault of an earlier version that a data set may hold: of how many samples, what that means, what to run."""

    fault: str
    samples: int
    said: str
    remedy: str


def is_incomplete(row: Mapping[str, Any]) -> bool:
    """Tell whether a mask lacks somebody, and nothing says where: then its background is not to be believed.

    So are old imports of COCO: `broken_parts` of their annotations are missing, and no pixel is ignored for them.
    """
    is_as_imported = row["mask"] is not None and not row["label_version"]
    return is_as_imported and bool(row.get("broken_parts")) and row.get("ignore") is None


def made_before(dataset: Dataset) -> list[Touched]:
    """Return what earlier versions may have left in a data set; nothing for one that is made today."""
    card, samples = dataset.card, len(dataset)
    again = f"run `curate {card.command}` again with --overwrite"
    found = []
    columns = [name for name in ASKED if name in dataset.schema.names]
    if number := sum(is_incomplete(row) for table in dataset.batches(columns) for row in table.to_pylist()):
        said = "lack the outline of a person, and nothing says where: training and evaluation leave them out"
        found.append(Touched(fault="broken outlines", samples=number, said=said, remedy=again))
    if card.format < FORMAT:
        unread = sum(card.records.get(code, 0) for code in MAYBE_PERSONS)
        if card.command == "coco-background" and unread:
            said = f"may show a person: {unread} annotations of the file could not be read, and may be of persons"
            found.append(Touched(fault="broken links", samples=samples, said=said, remedy=again))
        if card.command in COMPUTED:
            said = "are made of pixels as they are stored, also where a photograph has a colour profile"
            remedy = f"look at the parents with `curate stats --verify`; where some are not sRGB, {again}"
            found.append(Touched(fault="colour profiles", samples=samples, said=said, remedy=remedy))
    for name, number in dataset.reread.items():
        said = f"have {name.replace('_', ' ')} that mean something in their own file only"
        remedy = "they are read as they are meant; `curate merge` or `split` writes them so"
        if name.startswith("unknown"):
            remedy = "merge the data sets that they come from once more, from their sources"
        found.append(Touched(fault=name.replace("_", " "), samples=number, said=said, remedy=remedy))
    return found
