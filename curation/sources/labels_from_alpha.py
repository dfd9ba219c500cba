"""From an alpha or a mask to the label files of one sample: the step that all pair-like sources share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import cv2
import numpy as np

from curation.dataset.identity import photo_group
from curation.dataset.sample import Item, Outcome, Sample
from curation.images.orientation import turned
from curation.images.pixels import Alpha, Mask, decode_image, encode_gray, encode_mask
from curation.labels.label_files import place_labels
from curation.labels.label_frame import LabelFrame, check_frame, frame_is_open
from curation.labels.made_labels import LabelRules, labels_of_alpha, labels_of_mask
from curation.labels.masks import ALPHA_THRESHOLD, mask_of, person_area
from curation.labels.source_images import Original, Verify, check_original, check_size, place_original
from curation.quarantine import BadRecord
from curation.sources.match_by_name import Pair, read_label
from curation.sources.shared_settings import (
    follow_links_setting,
    image_uris_setting,
    label_frame_setting,
    threshold_setting,
    trimap_kernel_setting,
    verify_setting,
)
from curation.storage.checksums import digest_column

IGNORED: Final = 128
"""The value in `ignores/` of pixels of which a mask says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRules:
    """How the label of a pair meets its image, and what labels it makes.

    `frame` says how labels of images lie that EXIF turns: as these are `stored`, or `shown`; None compares where sizes
    do not tell. With `fit` a label of another size but the same shape is scaled to its image; None does not offer it.
    """

    labels: LabelRules
    with_alpha: bool
    frame: LabelFrame | None = None
    fit: bool | None = None

    def folders(self) -> tuple[str, ...]:
        """Return the sub-folders of the dataset that these rules fill."""
        return self.labels.folders(with_alpha=self.with_alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlphaSettings:
    """What to read of a data set of alphas, and how an alpha becomes labels; see `LabelRules` and `PairRules`."""

    root: Path
    threshold: int = threshold_setting(ALPHA_THRESHOLD)
    trimap_kernel: str = trimap_kernel_setting("6")
    label_frame: LabelFrame | None = label_frame_setting()
    verify: Verify = verify_setting()
    limit: int | None = None
    follow_links: tuple[Path, ...] = follow_links_setting()
    image_uris: bool = image_uris_setting()

    def rules(self, source: str) -> PairRules:
        """Return the rules for the pairs of a source."""
        kernel = self.trimap_kernel
        labels = LabelRules(
            source=source, threshold=self.threshold, trimap_kernel=kernel, verify=self.verify, by_uri=self.image_uris
        )
        return PairRules(labels=labels, with_alpha=True, frame=self.label_frame)


class Origin(Protocol):
    """What a row of the manifest says of where a sample is from."""

    @property
    def source_id(self) -> str:
        """Return its name there."""
        ...

    @property
    def split(self) -> str | None:
        """Return its split, where that is known."""
        ...

    @property
    def group(self) -> str | None:
        """Return its group, where something tells it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """A label, as `file` holds it: a mask or an alpha (h, w), and `ignored` (h, w), 255 where it says nothing."""

    label: Alpha
    ignored: Mask | None = None
    file: str


def place_alpha(item: Item, folder: Path, *, rules: PairRules, decode: Callable[..., Alpha]) -> Outcome:
    """Make alpha, mask and trimap of one pair whose label is an alpha in a file that `decode` reads; link its image.

    Raises BadRecord: whatever is wrong with either file, or with the two together.
    """
    pair: Pair = item.payload
    return place_pair(item, folder, label=decode(read_label(pair), file=pair.label), rules=rules)


def place_pair(item: Item, folder: Path, *, label: Alpha, rules: PairRules, ignored: Mask | None = None) -> Outcome:
    """Check the image of a pair, and make a sample of it and its label, a mask or an alpha (h, w): see `place_label`.

    Raises BadRecord: whatever is wrong with the image, and what `place_label` does.
    """
    pair: Pair = item.payload
    verify = rules.labels.verify
    original = check_original(Path(pair.image), below=Path(pair.image_root), verify=verify, links=pair.links)
    drawn = Drawn(label=label, ignored=ignored, file=pair.label)
    return place_label(item, folder, original=original, drawn=drawn, rules=rules)


def place_label(item: Item, folder: Path, *, original: Original, drawn: Drawn, rules: PairRules) -> Outcome:
    """Check an image against its label; write its labels, link or write the image. The payload is an `Origin`.

    A mask of 0 alone, that says so of every pixel, makes a sample of 0 persons. Nothing is written before everything
    is known to be sound.
    Raises BadRecord: SIZE_MISMATCH, LABEL_FRAME, EMPTY_ALPHA, FULL_ALPHA, TRIMAP.
    """
    of: Origin = item.payload
    source, ignored = rules.labels, drawn.ignored
    label, doubt = _on_image(drawn.label, original=original, rules=rules, file=drawn.file)
    make = labels_of_alpha if rules.with_alpha else labels_of_mask
    labels = make(label, rules=source, file=drawn.file)
    pictures = {"mask": encode_mask(labels.mask)}
    extra: dict[str, Any] = {} if ignored is None else {"ignore": None, digest_column("ignore"): None}
    if ignored is not None and ignored.any():
        pictures["ignore"] = encode_gray(_laid(ignored, original=original, rules=rules) & np.uint8(IGNORED))
    if labels.alpha is not None:
        pictures["alpha"] = encode_gray(labels.alpha)
    if labels.trimap is not None:
        pictures["trimap"] = encode_gray(labels.trimap)
    placed = place_labels(pictures, sample_id=item.id, folder=folder)
    extra |= {"ignore": placed.paths["ignore"]} if "ignore" in pictures else {}
    extra |= {} if labels.alpha is None else {"soft": soft_share(labels.alpha)}
    is_empty = not labels.mask.any() and "ignore" not in pictures
    sample = Sample(
        id=item.id,
        image=place_original(original, folder=folder, sample_id=item.id, by_uri=source.by_uri),
        mask=placed.paths["mask"],
        alpha=placed.paths.get("alpha"),
        trimap=placed.paths.get("trimap"),
        width=original.header.width,
        height=original.header.height,
        source=source.source,
        source_id=of.source_id,
        split=of.split,
        person_area=person_area(labels.mask),
        persons=0 if is_empty else None,
        group=of.group or photo_group(source.source, source_id=of.source_id, sha256=original.sha256),
        license=source.license,
        sha256=original.sha256,
        extra={**extra, **placed.digests},
    )
    doubts = () if doubt is None else (doubt.record(stage="place_pair", record_id=item.id),)
    return Outcome(id=item.id, sample=sample, records=(*original.lines(record_id=item.id), *doubts))


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


def _on_image(label: Alpha, *, original: Original, rules: PairRules, file: str) -> tuple[Alpha, BadRecord | None]:
    """Return the label as its image is shown, of the same size, and the doubt that is left whether it lies so."""
    header = original.header
    given = label.shape
    label = _laid(label, original=original, rules=rules)
    try:
        check_size(original, size=(label.shape[0], label.shape[1]))
    except BadRecord as problem:
        problem.hint += _ways_out(given, original=original, rules=rules)
        raise
    if rules.frame is not None or not frame_is_open(header):
        return label, None
    image = decode_image(original.data, file=str(original.source))
    return label, check_frame(image, label=label, orientation=header.orientation, file=file)


def _laid(label: Alpha, *, original: Original, rules: PairRules) -> Alpha:
    """Return a label, or its ignored pixels, turned and scaled as the rules say."""
    header = original.header
    if rules.frame == "stored":
        label = turned(label, orientation=header.orientation)
    if rules.fit:
        label = fitted(label, size=(header.height, header.width))
        label = label if rules.with_alpha else mask_of(label)
    return label


def _ways_out(size: tuple[int, ...], *, original: Original, rules: PairRules) -> str:
    """Return the options that may take a label of `size` (h, w) that does not meet its image."""
    header = original.header
    if rules.frame != "stored" and size == (header.stored_height, header.stored_width):
        return (
            "; --label-frame stored turns labels as their images are turned, also where a stale EXIF entry turns these"
        )
    if rules.frame == "stored" and size == (header.height, header.width):
        return "; --label-frame shown takes labels as they lie"
    is_same_shape = fitted(np.zeros(size, np.uint8), size=(header.height, header.width)).shape != size
    return "; --fit scales labels that have the same shape" if rules.fit is False and is_same_shape else ""


def soft_share(alpha: Alpha) -> float:
    """Return the share of pixels that are neither background nor foreground alone.

    >>> soft_share(np.array([[0, 1], [254, 255]], dtype=np.uint8))
    0.5
    """
    return 1.0 - float(np.count_nonzero(alpha == 0) + np.count_nonzero(alpha == 255)) / alpha.size
