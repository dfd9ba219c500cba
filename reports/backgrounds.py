"""The images in which a model sees a person, as one HTML page, the strongest first, each with an outline. No script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from curation.card import tool_version
from curation.dataset import Dataset
from curation.duplicates_looks import Picture
from curation.files import write_durable
from curation.pixels import decode_mask
from curation.quarantine import QuarantineRecord
from curation.runner import RunnerOptions, run_items
from curation.safe_id import SafeId
from curation.samples import Item
from models.sightings import Sighting
from reports.drawing import outline_path
from reports.duplicates import QUARANTINE_SHOWN, STYLES
from reports.gallery import draw_sample
from reports.pages import page_templates, policy_hash


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BackgroundsPage:
    """What stands on the page: the first `images` of the `listed` pictures, of all that were looked at.

    `listed` holds numbers of pictures, the strongest first, each with the share of clean images that look as much like
    a person, None where the model is not calibrated; `trust` says how far the order can be trusted.
    """

    dataset: Dataset
    model: str
    pictures: Sequence[Picture]
    seen: Mapping[int, Sighting]
    records: Sequence[QuarantineRecord]
    listed: Mapping[int, float | None]
    trust: str
    is_calibrated: bool
    images: int


def write_backgrounds_page(
    page: BackgroundsPage, *, out: Path, runner: RunnerOptions, progress: Callable[[int], None] | None = None
) -> None:
    """Draw the listed pictures and write the page to the file `out`."""
    folder = page.dataset.folder.resolve()
    cards = {SafeId(str(number)): _card(page, number=number) for number in list(page.listed)[: page.images]}
    items = [
        Item(id=name, payload={"folder": str(folder), "row": card["row"]}, file=str(folder / card["row"]["image"]))
        for name, card in cards.items()
    ]
    outcomes = run_items(items, work=draw_sample, folder=out.parent, stage="check-backgrounds", options=runner)
    for done, outcome in enumerate(outcomes, start=1):
        card = cards[outcome.id]
        card["problem"] = "".join(f"{record.code}: {record.reason}" for record in outcome.records[:1])
        if outcome.sample is not None:
            drawn = outcome.sample.extra
            card["pictures"] = drawn | {"outline": _outline(page, number=int(outcome.id), drawn=drawn)}
        if progress is not None:
            progress(done)
    write_durable(out, _rendered(page, cards=list(cards.values())).encode())


def _card(page: BackgroundsPage, *, number: int) -> dict[str, Any]:
    picture = page.pictures[number]
    (row,) = page.dataset.table.slice(picture.row, 1).to_pylist()
    row |= {"mask": None, "alpha": None, "trimap": None}
    sighting, clean = page.seen[number], page.listed[number]
    return {
        "id": picture.id,
        "split": picture.split,
        "row": row,
        "strength": sighting.strength,
        "area": sighting.area,
        "clean": clean,
        "source": row["source"],
    }


def _outline(page: BackgroundsPage, *, number: int, drawn: dict[str, Any]) -> str:
    data = page.seen[number].mask
    return outline_path(decode_mask(data, file="sighting"), size=(drawn["height"], drawn["width"])) if data else ""


def _rendered(page: BackgroundsPage, *, cards: Sequence[dict[str, Any]]) -> str:
    records = page.records
    return (
        page_templates()
        .get_template("backgrounds.html.j2")
        .render(
            kind="check-backgrounds",
            title=page.dataset.folder.resolve().name,
            model=page.model,
            trust=page.trust,
            is_calibrated=page.is_calibrated,
            figures=[
                ("images", len(page.pictures), False),
                ("with a person, says the model", len(page.listed), True),
                ("could not be looked at", len(records), True),
            ],
            cards=cards,
            unshown=len(page.listed) - len(cards),
            quarantine=msgspec.to_builtins(records[:QUARANTINE_SHOWN]),
            quarantine_more=max(0, len(records) - QUARANTINE_SHOWN),
            tool_version=tool_version(),
            style_hashes=[policy_hash(name) for name in STYLES],
        )
    )
