"""AiFenGe (aisegment): half-body portraits with RGBA cut-outs, 600 x 800, made into alphas, masks and trimaps.

Layout: `clip_img/<batch>/clip_<group>/<batch>-<n>.jpg` and `matting/<batch>/matting_<group>/<batch>-<n>.png`.
Source: README of github.com/aisegmentcn/matting_human_datasets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from curation.dataset.sample import Plan, Source
from curation.images.folders import OS_METADATA, Listing, list_source, require_folders
from curation.images.pixels import decode_alpha
from curation.quarantine import BadRecord
from curation.setting import setting
from curation.sources.known_defects import edition, met, read_catalogue
from curation.sources.labels_from_alpha import AlphaSettings, place_alpha
from curation.sources.match_by_name import (
    Intake,
    by_key,
    items_of,
    match,
    plan_of,
    settings_of,
    without_suffix,
)

NAME: Final = "aifenge"
IMAGES: Final = "clip_img"
CUTOUTS: Final = "matting"
GROUP_PREFIXES: Final = {IMAGES: "clip_", CUTOUTS: "matting_"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AifengeSettings(AlphaSettings):
    """What to read, and how an alpha becomes labels."""

    root: Path = setting("Folder that holds clip_img and matting.", metavar="DIR")


def plan_aifenge(settings: AifengeSettings) -> Plan:
    """Pair photographs and cut-outs by batch, group and name, and tell what is no pair.

    Raises InputRefused: `root` does not hold `clip_img` and `matting`, two files claim one id, or there is no pair.
    """
    rules = settings.rules(NAME)
    require_folders(settings.root, names=list(GROUP_PREFIXES))
    listing = list_source(
        settings.root, links=settings.follow_links, enter=lambda folder: _side(folder) in GROUP_PREFIXES
    )
    images, cutouts = (
        by_key((file for file in listing.files if _side(file.name) == side), key=pair_key, root=settings.root)
        for side in GROUP_PREFIXES
    )
    matching = match(images, cutouts)
    roots, links = (settings.root, settings.root), [str(link) for link in settings.follow_links]
    items, broken = items_of(
        matching, roots=roots, sample_id=lambda key: key.rpartition("/")[2], split=lambda _: None, links=links
    )
    intake = Intake(
        command=NAME,
        settings=settings_of(settings) | {"catalogue": edition(NAME)},
        source=Source(name=NAME, path=str(settings.root), fingerprint=listing.fingerprint()),
        inputs=[settings.root],
        listings=[listing],
        items=items,
        broken=broken,
        others=[file.name for file in listing.files if _side(file.name) not in GROUP_PREFIXES],
        limit=settings.limit,
        notes={"catalogue": _known_defects_met(listing, lonely=matching.lonely)},
    )
    return plan_of(intake, work=partial(place_alpha, rules=rules, decode=decode_alpha), folders=rules.folders())


def pair_key(name: str) -> str:
    """Return what photograph and cut-out have in common: batch, group and name.

    >>> pair_key("clip_img/1803151818/clip_00000000/1803151818-00000000.jpg")
    '1803151818/00000000/1803151818-00000000'
    >>> pair_key("matting/1803151818/matting_00000000/1803151818-00000000.png")
    '1803151818/00000000/1803151818-00000000'
    """
    side, *folders, file = name.split("/")
    parts = [folder.removeprefix(GROUP_PREFIXES[side]) for folder in folders]
    return without_suffix("/".join([*parts, file]))


def _side(name: str) -> str:
    return name.partition("/")[0]


def _known_defects_met(listing: Listing, *, lonely: Sequence[BadRecord]) -> list[dict[str, object]]:
    names = {problem.file.rpartition("/")[2] for problem in lonely}
    return met(read_catalogue(NAME), present={*listing.left_out.get(OS_METADATA, ()), *names})
