"""portrait2000, the data of "Automatic Portrait Segmentation/Matting": 1,700 + 300 portraits with soft mattes.

Layout: `<n>.png` and `<n>_matte.png` side by side, 600 x 800, in the root or in sub-folders for training and testing.
Source: Shen et al., "Deep Automatic Portrait Matting", ECCV 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from curation.dataset.sample import Plan, Source
from curation.errors import InputRefused
from curation.images.folders import FoundFile, list_source
from curation.images.pixels import decode_matte
from curation.setting import setting
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
from curation.sources.shared_settings import threshold_setting

NAME: Final = "portrait2000"
MATTE_MARK: Final = "_matte"
SPLITS: Final = {"train": "train", "training": "train", "test": "test", "testing": "test"}
"""The sub-folders that are read, and the split that each stands for."""
THRESHOLD: Final = 127
"""The mattes are soft and calibrated, so the mask is cut in the middle: person where matte >= 128."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait2000Settings(AlphaSettings):
    """What to read, and how a matte becomes labels."""

    root: Path = setting("Folder that holds <n>.png and <n>_matte.png, or train and test folders.", metavar="DIR")
    threshold: int = threshold_setting(THRESHOLD)


def plan_portrait2000(settings: Portrait2000Settings) -> Plan:
    """Pair portraits and mattes by folder and number.

    Raises InputRefused: there is no matte, two files claim one id, or there is no pair.
    """
    rules = settings.rules(NAME)
    listing = list_source(settings.root, links=settings.follow_links, enter=lambda folder: folder in SPLITS)
    mattes = [file for file in listing.files if is_matte(file)]
    if not mattes:
        raise _no_mattes(settings.root)
    matching = match(
        by_key([file for file in listing.files if not is_matte(file)], key=without_suffix, root=settings.root),
        by_key(mattes, key=lambda name: without_suffix(name).removesuffix(MATTE_MARK), root=settings.root),
    )
    items, broken = items_of(
        matching,
        roots=(settings.root, settings.root),
        sample_id=sample_id,
        split=lambda key: SPLITS.get(key.rpartition("/")[0]),
        links=[str(link) for link in settings.follow_links],
    )
    intake = Intake(
        command=NAME,
        settings=settings_of(settings),
        source=Source(name=NAME, path=str(settings.root), fingerprint=listing.fingerprint()),
        inputs=[settings.root],
        listings=[listing],
        items=items,
        broken=broken,
        limit=settings.limit,
    )
    return plan_of(intake, work=partial(place_alpha, rules=rules, decode=decode_matte), folders=rules.folders())


def is_matte(file: FoundFile) -> bool:
    """Tell a matte from a portrait.

    >>> is_matte(FoundFile("train/00001_matte.png", 1)), is_matte(FoundFile("train/00001.png", 1))
    (True, False)
    """
    return without_suffix(file.name).endswith(MATTE_MARK)


def sample_id(key: str) -> str:
    """Return the id of a pair: its number, behind the split where there is one, since both splits count from 1.

    >>> sample_id("00001"), sample_id("testing/00001")
    ('00001', 'test-00001')
    """
    folder, _, number = key.rpartition("/")
    return f"{SPLITS[folder]}-{number}" if folder else number


def _no_mattes(root: Path) -> InputRefused:
    seen = ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
    return InputRefused(
        f"expected <n>.png and <n>{MATTE_MARK}.png here, or in the folders {', '.join(SPLITS)}; there is {seen}",
        where=root,
        remedy="give the folder that holds the portraits and their mattes as --root",
    )
