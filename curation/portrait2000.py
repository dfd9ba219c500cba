"""portrait2000, the data of "Automatic Portrait Segmentation/Matting": 1,700 + 300 portraits with soft mattes.

Layout: `<n>.png` and `<n>_matte.png` side by side, 600 x 800, in the root or in sub-folders for training and testing.
Source: Shen et al., "Deep Automatic Portrait Matting", ECCV 2016.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from curation.cutouts import LabelRules, PairRules, place_pair
from curation.errors import InputRefused
from curation.folders import FoundFile, list_source
from curation.label_frame import LabelFrame
from curation.originals import Verify
from curation.pairing import (
    ADDED,
    Intake,
    Pair,
    by_key,
    items_of,
    match,
    not_entered_note,
    plan_of,
    read_label,
    settings_of,
    strays_of,
    without_suffix,
)
from curation.pixels import decode_matte
from curation.samples import Item, Outcome, Plan, Source

NAME: Final = "portrait2000"
MATTE_MARK: Final = "_matte"
SPLITS: Final = {"train": "train", "training": "train", "test": "test", "testing": "test"}
"""The sub-folders that are read, and the split that each stands for."""
THRESHOLD: Final = 127
"""The mattes are soft and calibrated, so the mask is cut in the middle: person where matte >= 128."""
TRIMAP_KERNEL: Final = "6"


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait2000Settings:
    """What to read, and how a matte becomes labels; see `LabelRules` and `PairRules`."""

    root: Path
    threshold: int = THRESHOLD
    trimap_kernel: str = TRIMAP_KERNEL
    label_frame: LabelFrame | None = None
    verify: Verify = "full"
    limit: int | None = None
    follow_links: tuple[Path, ...] = field(default=(), metadata=ADDED)


def plan_portrait2000(settings: Portrait2000Settings) -> Plan:
    """Pair portraits and mattes by folder and number.

    Raises InputRefused: there is no matte, two files claim one id, or there is no pair.
    """
    labels = LabelRules(
        source=NAME, threshold=settings.threshold, trimap_kernel=settings.trimap_kernel, verify=settings.verify
    )
    rules = PairRules(labels=labels, with_alpha=True, frame=settings.label_frame)
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
        items=items,
        broken=[*listing.broken, *broken],
        strays=strays_of(listing),
        limit=settings.limit,
        notes=not_entered_note(listing),
    )
    return plan_of(intake, work=partial(take_portrait, rules=rules), folders=rules.folders())


def is_matte(file: FoundFile) -> bool:
    """Tell a matte from a portrait.

    >>> is_matte(FoundFile("train/00001_matte.png", 1)), is_matte(FoundFile("train/00001.png", 1))
    (True, False)
    """
    return without_suffix(file.name).endswith(MATTE_MARK)


def sample_id(key: str) -> str:
    """Give the id of a pair: its number, behind the split where there is one, since both splits count from 1.

    >>> sample_id("00001"), sample_id("testing/00001")
    ('00001', 'test-00001')
    """
    folder, _, number = key.rpartition("/")
    return f"{SPLITS[folder]}-{number}" if folder else number


def take_portrait(item: Item, folder: Path, *, rules: PairRules) -> Outcome:
    """Make alpha, mask and trimap of one matte, and link its portrait.

    Raises BadRecord: whatever is wrong with either file, or with the two together.
    """
    pair: Pair = item.payload
    return place_pair(item, folder, label=decode_matte(read_label(pair), file=pair.label), rules=rules)


def _no_mattes(root: Path) -> InputRefused:
    seen = ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
    return InputRefused(
        f"expected <n>.png and <n>{MATTE_MARK}.png here, or in the folders {', '.join(SPLITS)}; there is {seen}",
        where=root,
        remedy="give the folder that holds the portraits and their mattes as --root",
    )
