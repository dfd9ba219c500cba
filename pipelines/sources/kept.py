"""What `curate convert` kept beside images comes back with them; nothing is imported where nothing was kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from curation.dataset.card import KEPT
from curation.dataset.sample import Item, Plan

if TYPE_CHECKING:
    from curation.images.mask_values import MaskValues
    from curation.images.pixels import Mask
    from curation.sources.image_label_folders import PairsSettings


def pairs_with_kept_rows(plan: Plan, *, settings: PairsSettings) -> Plan:
    """Return the plan of `curate pairs` with the rows that were kept beside its images."""
    if not (folders := _with_kept([settings.images])):
        return plan
    from curation.sources.image_label_folders import mask_values

    is_masks = settings.masks is not None
    values = mask_values(settings) if is_masks else None
    mask = partial(_mask_of_pair, values=values) if is_masks else _no_mask
    given = {name: getattr(settings, name) for name in ("split", "license", "source")}
    return _restored(plan, folders=folders, image=_image_of_pair, mask=mask, given=given)


def persons_with_kept_rows(plan: Plan, *, images: Sequence[Path]) -> Plan:
    """Return the plan of `curate coco-person` with the rows that were kept beside its images."""
    folders = _with_kept(images)
    return _restored(plan, folders=folders, image=_image_of_person, mask=_mask_of_person, given={}) if folders else plan


def _with_kept(roots: Sequence[Path]) -> list[Path]:
    """Return the folders with kept rows: those of images, and those that these lie in."""
    places = [Path(os.path.abspath(root)) for root in roots]  # noqa: PTH100 - links stay as they are
    return [folder for place in places for folder in (place, place.parent) if (folder / KEPT).is_file()]


def _restored(
    plan: Plan,
    *,
    folders: Sequence[Path],
    image: Callable[[Item], bytes],
    mask: Callable[[Item], Mask | None],
    given: Mapping[str, str | None],
) -> Plan:
    from curation.exchange.restore import Reading, label_beside, restored

    reading = Reading(image=image, mask=mask, label=label_beside)
    return restored(plan, folders=folders, reading=reading, given=given)


def _image_of_pair(item: Item) -> bytes:
    from curation.storage.followed_links import read_followed

    pair = item.payload
    return read_followed(Path(pair.image), below=Path(pair.image_root), links=pair.links)


def _mask_of_pair(item: Item, *, values: MaskValues | None) -> Mask:
    from curation.sources.image_label_folders import read_mask

    return read_mask(item.payload, values=values)[0]


def _image_of_person(item: Item) -> bytes:
    from curation.storage.followed_links import read_followed

    return read_followed(Path(item.payload.path), below=Path(item.payload.folder), links=item.payload.links)


def _mask_of_person(item: Item) -> Mask | None:
    from curation.sources.coco.person_sample import person_mask

    return person_mask(item.payload)


def _no_mask(_: Item) -> None:
    """Return nothing: where alphas are read, labels are those that they make."""
