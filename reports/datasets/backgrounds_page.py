"""The images in which a model sees a person, as one HTML page, the strongest first, each with an outline. No script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.building.workers import RunnerOptions, run_items
from curation.dataset.dataset import Dataset
from curation.dataset.sample import Item
from curation.duplicates.fingerprint_dataset import Picture
from curation.images.pixels import decode_mask
from curation.images.thumbnails import outline_path
from curation.quarantine import QuarantineRecord
from curation.storage.files import write_durable
from curation.storage.safe_id import SafeId
from models.evaluation.find_persons import Sighting
from reports.datasets.gallery import draw_sample
from reports.page.templates import PAIR_STYLES, rendered_page, with_records


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


def write_backgrounds_page(page: BackgroundsPage, *, out: Path, runner: RunnerOptions) -> None:
    """Draw the listed pictures and write the page to the file `out`."""
    folder = page.dataset.folder.resolve()
    cards = {SafeId(str(number)): _card(page, number=number) for number in list(page.listed)[: page.images]}
    items = [
        Item(id=name, payload={"folder": str(folder), "row": card["row"]}, file=str(folder / card["row"]["image"]))
        for name, card in cards.items()
    ]
    for outcome in run_items(items, work=draw_sample, folder=out.parent, stage="check-backgrounds", options=runner):
        card = cards[outcome.id]
        card["problem"] = "".join(f"{record.code}: {record.reason}" for record in outcome.records[:1])
        if outcome.sample is not None:
            drawn = outcome.sample.extra
            card["pictures"] = drawn | {"outline": _outline(page, number=int(outcome.id), drawn=drawn)}
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
    return rendered_page(
        "backgrounds.html.j2",
        styles=PAIR_STYLES,
        kind="check-backgrounds",
        title=page.dataset.folder.resolve().name,
        model=page.model,
        trust=page.trust,
        is_calibrated=page.is_calibrated,
        figures=[
            ("images", len(page.pictures), False),
            ("in which the model sees a person", len(page.listed), True),
            ("could not be looked at", len(page.records), True),
        ],
        cards=cards,
        unshown=len(page.listed) - len(cards),
        **with_records(page.records),
    )
