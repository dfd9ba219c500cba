"""Which rows of the given datasets may be fused: persons that are known, backgrounds that show nobody, licences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from curation.dataset.dataset import Dataset
from curation.dataset.licenses import FILTERED as LICENSE
from curation.dataset.licenses import LicenseRules, allowed_rows, terms_of
from curation.dataset.sample import TOUCHED
from curation.errors import InputRefused
from curation.operations.join import Joined
from curation.quarantine import BadRecord, Code, QuarantineRecord

COMMAND: Final = "fuse"
PERSON: Final = "person"
NO_DERIVATIVES: Final = "no_derivatives"
"""Reasons why photographs are not used: they show a person; their licence forbids pictures that are derived of them."""

CUT: Final = "cut_by_others"
"""Reason why persons are not used: they touch other things, which may hide a part of them."""
MOST_TOUCHED: Final = 0.15
"""Share of a person's outline that may touch annotations of other things. Looked at on 21 persons of COCO: above it are
those behind tables and animals, on chairs, and with hands full; below, those who stand free."""


def usable_foregrounds(
    front: Joined, *, datasets: Sequence[Dataset], rules: LicenseRules | None, keep_cut: bool = False
) -> tuple[pa.Table, Counter[str], list[QuarantineRecord]]:
    """Return the rows of persons that may be used, and are not fused; count others, and report those without masks.

    Persons whose outline touches other things (see `MOST_TOUCHED`) are left out, unless `keep_cut`.
    """
    counts: Counter[str] = Counter()
    broken, keep = [], []
    for row in front.table.to_pylist():
        is_fused = row.get("background_id") is not None
        is_empty = row["persons"] == 0
        has_person = not is_empty and (row["alpha"] is not None or row["mask"] is not None)
        counts["fused"] += is_fused
        counts["no_person"] += is_empty and not is_fused
        if not is_fused and not has_person and not is_empty:
            problem = BadRecord(Code.NO_MASK, "the foreground has neither alpha nor mask", record_id=row["id"])
            broken.append(
                problem.record(stage=COMMAND, file=datasets[front.owner[row["id"]]].folder / str(row["image"]))
            )
        is_cut = not keep_cut and (row.get(TOUCHED) or 0.0) > MOST_TOUCHED
        counts[CUT] += has_person and not is_fused and is_cut
        keep.append(has_person and not is_fused and not is_cut)
    table, forbidden = _permitted(front.table.filter(pa.array(keep, pa.bool_())), rules=rules)
    return table, counts + forbidden, broken


def usable_backgrounds(table: pa.Table, *, rules: LicenseRules | None) -> tuple[pa.Table, Counter[str]]:
    """Return the rows that may lie behind a person, and how many may not, by reason: those that show somebody, as far
    as the manifest knows, or of which it does not say how many, and those under licences that are not allowed."""
    columns = (table[name].to_pylist() for name in ("persons", "person_area"))
    keep = [persons == 0 and not area for persons, area in zip(*columns, strict=True)]
    empty, forbidden = _permitted(table.filter(pa.array(keep, pa.bool_())), rules=rules)
    return empty, Counter({PERSON: keep.count(False)}) + forbidden


def _permitted(table: pa.Table, *, rules: LicenseRules | None) -> tuple[pa.Table, Counter[str]]:
    """Return the rows of photographs that may be fused, and how many may not, by reason."""
    if rules is not None:
        kept = allowed_rows(table, rules=rules)
        return kept, Counter({LICENSE: len(table) - len(kept)})
    allowed = [not terms_of(text or "").no_derivatives for text in table["license"].to_pylist()]
    kept = table.filter(pa.array(allowed, pa.bool_()))
    return kept, Counter({NO_DERIVATIVES: len(table) - len(kept)})


def refuse_nothing(
    foregrounds: pa.Table, *, counts: Counter[str], backgrounds: pa.Table, unused: Counter[str], where: str
) -> None:
    """Raise InputRefused where no foreground or no background is left."""
    no_person = "no row has an alpha or a mask, and is not fused already"
    if counts[CUT]:
        told = f"the outlines of {counts[CUT]} persons touch other things, which --keep-cut allows"
        no_person = f"{told}; of the others {no_person}"
    no_scene = (
        f"none of the {unused[PERSON]} rows is known to show nobody" if unused[PERSON] else "the datasets are empty"
    )
    persons = "with persons as --foregrounds, e.g. made by `curate aifenge`"
    scenes = (
        "without persons as --backgrounds, e.g. made by `curate coco-background`, or `curate images --as background`"
    )
    for kind, table, left_out, reason, how in (
        ("foreground", foregrounds, counts, no_person, persons),
        ("background", backgrounds, unused, no_scene, scenes),
    ):
        if not len(table):
            number = left_out[LICENSE] + left_out[NO_DERIVATIVES]
            told = f"the licence of each of the {number} that could serve is not allowed" if number else reason
            remedy = f"name datasets {how}" + ("; or allow these licences with --licenses FILE" if number else "")
            raise InputRefused(f"there is no {kind}: {told}", where=where, remedy=remedy)
