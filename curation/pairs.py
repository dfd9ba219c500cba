"""Any folder of images with a folder of masks or alphas, paired by the path below the folder, but for the suffix."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np

from curation.cutouts import LabelRules, labels_of_alpha, labels_of_mask, place_pair
from curation.errors import ConfigurationProblem, InputRefused
from curation.files import check_name, read_file
from curation.folders import Listing, list_folder
from curation.identity import content_fingerprint, scoped
from curation.image_header import inspect
from curation.originals import Verify
from curation.pairing import (
    Intake,
    Pair,
    by_key,
    items_of,
    match,
    plan_of,
    read_label,
    settings_of,
    strays_of,
    without_suffix,
)
from curation.pixels import Alpha, decode_alpha, decode_mask, decode_matte
from curation.quarantine import BadRecord, Code
from curation.samples import Item, Outcome, Plan, Source

COMMAND: Final = "pairs"
HALF: Final = 127
"""Where a scaled mask is cut: a pixel is of the person when more than half of it is."""
FOLDER_MARK: Final = "__"
"""Stands in an id for the slash between a sub-folder and a file: `train/0001.jpg` gives `train__0001`."""
Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsSettings:
    """What to read. `masks` or `alphas` is given; `source`, `split` and `license` are written into every row.

    With `fit` a label of another size but the same shape is scaled to its image; see `fitted`.
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
    verify: Verify = "structure"
    limit: int | None = None


def plan_pairs(settings: PairsSettings) -> Plan:
    """Pair the files of two folders by name.

    Raises ConfigurationProblem for masks and alphas together, or neither; InputRefused when two files claim one id,
    or there is no pair.
    """
    labels_root = _labels_root(settings)
    with_alpha = settings.alphas is not None
    images = list_folder(settings.images, enter=_outside(labels_root, root=settings.images))
    labels = list_folder(labels_root, enter=_outside(settings.images, root=labels_root))
    fingerprint = _fingerprint(images, labels)
    rules = LabelRules(
        source=_source_name(settings, fingerprint=fingerprint, images=images),
        license=settings.license,
        threshold=settings.threshold,
        trimap_kernel=settings.trimap_kernel,
        verify=settings.verify,
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
        source=Source(name=rules.source, path=str(settings.images), fingerprint=fingerprint),
        inputs=[settings.images, labels_root],
        items=items,
        broken=[*images.broken, *labels.broken, *broken],
        strays=strays_of(images, labels),
        limit=settings.limit,
    )
    work = take_alpha if with_alpha else take_mask
    return plan_of(
        intake, work=partial(work, rules=rules, fit=settings.fit), folders=rules.folders(with_alpha=with_alpha)
    )


def take_mask(item: Item, folder: Path, *, rules: LabelRules, fit: bool = False) -> Outcome:
    """Copy the binary mask of one pair, and link its image; raises BadRecord: whatever is wrong with the two."""
    pair: Pair = item.payload
    mask = decode_mask(read_label(pair), file=pair.label)
    if fit:
        mask = np.where(fitted(mask, size=_image_size(pair)) > HALF, np.uint8(255), np.uint8(0))
    labels = labels_of_mask(mask, rules=rules, file=pair.label)
    with _telling_of_fit(fit):
        return place_pair(item, folder, labels=labels, rules=rules)


def take_alpha(item: Item, folder: Path, *, rules: LabelRules, fit: bool = False) -> Outcome:
    """Make the labels of one alpha, and link its image; raises BadRecord: whatever is wrong with the two."""
    pair: Pair = item.payload
    alpha = _alpha(read_label(pair), file=pair.label)
    if fit:
        alpha = fitted(alpha, size=_image_size(pair))
    labels = labels_of_alpha(alpha, rules=rules, file=pair.label)
    with _telling_of_fit(fit):
        return place_pair(item, folder, labels=labels, rules=rules)


def fitted(label: Alpha, *, size: tuple[int, int]) -> Alpha:
    """Scale a label (h, w) uint8 to `size` (height, width) in pixels, if it is the same picture but for its scale.

    Same means that the other side differs by at most one pixel of rounding; any other label is given back as it is,
    and its size refused later. Sizes are met bilinearly, and by area where the label shrinks.

    >>> fitted(np.zeros((408, 612), np.uint8), size=(734, 1100)).shape
    (734, 1100)
    >>> fitted(np.zeros((408, 612), np.uint8), size=(1100, 734)).shape
    (408, 612)
    """
    (height, width), (image_height, image_width) = label.shape, size
    by_width, by_height = image_height * width / image_width, image_width * height / image_height
    if (height, width) == size or min(abs(by_width - height), abs(by_height - width)) > 1:
        return label
    interpolation = cv2.INTER_LINEAR if width < image_width else cv2.INTER_AREA
    return np.asarray(cv2.resize(label, (image_width, image_height), interpolation=interpolation), np.uint8)


@contextmanager
def _telling_of_fit(fit: bool) -> Iterator[None]:
    try:
        yield
    except BadRecord as problem:
        if problem.code is Code.SIZE_MISMATCH and not fit:
            problem.hint += "; --fit scales labels that have the same shape"
        raise


def _image_size(pair: Pair) -> tuple[int, int]:
    header = inspect(read_file(Path(pair.image), below=Path(pair.image_root)), file=pair.image)
    return header.height, header.width


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


def _outside(other: Path, *, root: Path) -> Callable[[str], bool]:
    """Give the test for sub-folders to enter: one side's folder may lie inside the other's."""
    inner = other.resolve()
    return lambda folder: (root / folder).resolve() != inner


def _fingerprint(images: Listing, labels: Listing) -> str:
    both = f"{images.fingerprint()}\n{labels.fingerprint()}\n"
    return hashlib.sha256(both.encode()).hexdigest()
