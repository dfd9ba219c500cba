"""Pairs of copies as one HTML page: side by side, leaks between splits first. No script runs in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from curation.building.workers import RunnerOptions, run_items
from curation.dataset.dataset import Dataset
from curation.dataset.sample import Item
from curation.duplicates.find_duplicates import Duplicates, Kind, Pair
from curation.duplicates.near_duplicates import ALIKE_DISTANCE
from curation.quarantine import QuarantineRecord
from curation.storage.files import write_durable
from curation.storage.safe_id import SafeId
from reports.datasets.gallery import draw_sample
from reports.page.templates import PAIR_STYLES, rendered_page, with_records

NAMES: Final[dict[Kind, str]] = {
    "file": "the same file",
    "pixels": "the same pixels",
    "near": "nearly the same",
    "mirrored": "mirrored, or upside down",
}
DISTANT: Final = ("near", "mirrored")
"""Kinds of pairs that have a distance."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DuplicatesPage:
    """What stands on the page: the first `pairs` pairs, the datasets by `names`, and what could not be looked at."""

    found: Duplicates
    datasets: Sequence[Dataset]
    names: Sequence[str]
    records: Sequence[QuarantineRecord]
    pairs: int


def write_duplicates_page(page: DuplicatesPage, *, out: Path, runner: RunnerOptions) -> None:
    """Draw the pictures of the pairs and write the page to the file `out`; it is the same for any number of workers."""
    shown = page.found.pairs[: page.pairs]
    cards = _cards(page, numbers=sorted({number for pair in shown for number in (pair.first, pair.second)}))
    items = [Item(id=SafeId(str(number)), payload=card["payload"], file=card["file"]) for number, card in cards.items()]
    for outcome in run_items(items, work=draw_sample, folder=out.parent, stage="duplicates", options=runner):
        drawn = None if outcome.sample is None else outcome.sample.extra
        problem = "".join(f"{record.code}: {record.reason}" for record in outcome.records[:1])
        cards[int(outcome.id)] |= {"pictures": drawn, "problem": problem}
    write_durable(out, _rendered(page, shown=shown, cards=cards).encode())


def _cards(page: DuplicatesPage, *, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    cards = {}
    for number in numbers:
        picture = page.found.pictures[number]
        dataset = page.datasets[picture.dataset]
        (row,) = dataset.table.slice(picture.row, 1).to_pylist()
        cards[number] = {
            "id": picture.id,
            "dataset": page.names[picture.dataset],
            "split": picture.split,
            "size": (row["width"], row["height"]),
            "payload": {"folder": str(dataset.folder.resolve()), "row": row | {"alpha": None, "trimap": None}},
            "file": str(dataset.folder / str(row["image"])),
        }
    return cards


def _rendered(page: DuplicatesPage, *, shown: Sequence[Pair], cards: dict[int, dict[str, Any]]) -> str:
    counts = page.found.counts()
    sections = {"Leaks between splits": list[Any](), "Across datasets": [], "Within a dataset": []}
    for pair in shown:
        title = "Across datasets" if pair.is_across else "Within a dataset"
        sections["Leaks between splits" if pair.is_leak else title].append(_told(pair, cards=cards))
    return rendered_page(
        "duplicates.html.j2",
        styles=PAIR_STYLES,
        kind="duplicates",
        title=", ".join(dict.fromkeys(page.names)),
        numbers=counts,
        figures=[
            ("images", len(page.found.pictures), False),
            ("exact", counts["exact"], False),
            ("near", counts["near"], False),
            ("leaks between splits", counts["leaks"], True),
            ("could not be looked at", len(page.records), True),
        ],
        shown=len(shown),
        unsure=any(pair.kind in DISTANT for pair in shown),
        outlined=any((card.get("pictures") or {}).get("outline") for card in cards.values()),
        alike=ALIKE_DISTANCE,
        unshown=len(page.found.pairs) - len(shown),
        sections=[{"title": title, "pairs": pairs} for title, pairs in sections.items() if pairs],
        **with_records(page.records),
    )


def _told(pair: Pair, *, cards: dict[int, dict[str, Any]]) -> dict[str, Any]:
    first, second = cards[pair.first], cards[pair.second]
    return {
        "kind": NAMES[pair.kind],
        "distance": pair.distance if pair.kind in DISTANT else None,
        "leak": f"{first['split']} and {second['split']}" if pair.is_leak else "",
        "cards": [first, second],
    }
