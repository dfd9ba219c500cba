"""Any folder of images with a folder of masks or alphas, paired by the path below the folder, but for the suffix."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from curation.cutouts import LabelRules, PairRules, place_pair
from curation.errors import ConfigurationProblem, InputRefused
from curation.files import check_name
from curation.folders import Listing, list_folder
from curation.identity import content_fingerprint, scoped
from curation.image_header import inspect
from curation.label_frame import LabelFrame
from curation.originals import Verify
from curation.pairing import (
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
from curation.pixels import Alpha, decode_alpha, decode_mask, decode_matte
from curation.quarantine import BadRecord
from curation.samples import Item, Outcome, Plan, Source

COMMAND: Final = "pairs"
FOLDER_MARK: Final = "__"
"""Stands in an id for the slash between a sub-folder and a file: `train/0001.jpg` gives `train__0001`."""
Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsSettings:
    """What to read. `masks` or `alphas` is given; `source`, `split` and `license` are written into every row.

    For `fit` and `label_frame` see `PairRules`.
    """

    images: Path
    masks: Path | None = None
    alphas: Path | None = None
    source: str | None = None
    split: Split | None = None
    license: str | None = None
    threshold: int = 50
    trimap_kernel: str = "none"
    fit: bool = False
    label_frame: LabelFrame | None = None
    verify: Verify = "full"
    limit: int | None = None


def plan_pairs(settings: PairsSettings) -> Plan:
    """Pair the files of two folders by name.

    Raises ConfigurationProblem for masks and alphas together, or neither; InputRefused when two files claim one id,
    or there is no pair.
    """
    labels_root = _labels_root(settings)
    images = list_folder(settings.images, elsewhere=labels_root)
    labels = list_folder(labels_root, elsewhere=settings.images)
    fingerprint = _fingerprint(images, labels)
    labels_made = LabelRules(
        source=_source_name(settings, fingerprint=fingerprint, images=images),
        license=settings.license,
        threshold=settings.threshold,
        trimap_kernel=settings.trimap_kernel,
        verify=settings.verify,
    )
    rules = PairRules(
        labels=labels_made, with_alpha=settings.alphas is not None, frame=settings.label_frame, fit=settings.fit
    )
    matching = match(
        by_key(images.files, key=without_suffix, root=settings.images),
        by_key(labels.files, key=without_suffix, root=labels_root),
    )
    items, broken = items_of(
        matching,
        roots=(settings.images, labels_root),
        sample_id=lambda key: key.replace("/", FOLDER_MARK),
        split=lambda _: settings.split,
    )
    intake = Intake(
        command=COMMAND,
        settings=settings_of(settings),
        source=Source(name=labels_made.source, path=str(settings.images), fingerprint=fingerprint),
        inputs=[settings.images, labels_root],
        items=items,
        broken=[*images.broken, *labels.broken, *broken],
        strays=strays_of(images, labels),
        notes=not_entered_note(images, labels),
        limit=settings.limit,
    )
    work = take_alpha if rules.with_alpha else take_mask
    return plan_of(intake, work=partial(work, rules=rules), folders=rules.folders())


def take_mask(item: Item, folder: Path, *, rules: PairRules) -> Outcome:
    """Copy the binary mask of one pair, and link its image; raises BadRecord: whatever is wrong with the two."""
    pair: Pair = item.payload
    return place_pair(item, folder, label=decode_mask(read_label(pair), file=pair.label), rules=rules)


def take_alpha(item: Item, folder: Path, *, rules: PairRules) -> Outcome:
    """Make the labels of one alpha, and link its image; raises BadRecord: whatever is wrong with the two."""
    pair: Pair = item.payload
    return place_pair(item, folder, label=_alpha(read_label(pair), file=pair.label), rules=rules)


def _alpha(data: bytes, *, file: str) -> Alpha:
    """Give the alpha channel where the file has one, else the gray picture as a matte."""
    has_alpha = inspect(data, file=file).has_alpha
    return decode_alpha(data, file=file) if has_alpha else decode_matte(data, file=file)


def _labels_root(settings: PairsSettings) -> Path:
    roots = [root for root in (settings.masks, settings.alphas) if root is not None]
    if len(roots) != 1:
        raise ConfigurationProblem(
            "both --masks and --alphas are given" if roots else "neither --masks nor --alphas is given",
            remedy="give one of --masks DIR and --alphas DIR",
        )
    if roots[0].resolve() == settings.images.resolve():
        raise InputRefused(
            "images and labels are in one folder, so that their names cannot tell them apart",
            where=settings.images,
            remedy="move the labels to a folder of their own; `curate portrait2000` reads <n>.png + <n>_matte.png",
        )
    return roots[0]


def _source_name(settings: PairsSettings, *, fingerprint: str, images: Listing) -> str:
    """Return the name that is given, or that of the folder, made one of a kind: many folders are called `images`."""
    folder = settings.images.resolve().name
    name = settings.source if settings.source is not None else folder
    try:
        check_name(name)
    except BadRecord as problem:
        raise ConfigurationProblem(
            f"{name!r} cannot name a source: {problem.reason}", remedy="give --source NAME"
        ) from problem
    if name != folder:
        return name
    content = content_fingerprint(fingerprint, folder=settings.images, names=(file.name for file in images.files))
    return scoped(name, fingerprint=content)


def _fingerprint(images: Listing, labels: Listing) -> str:
    both = f"{images.fingerprint()}\n{labels.fingerprint()}\n"
    return hashlib.sha256(both.encode()).hexdigest()
