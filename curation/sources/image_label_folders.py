"""Any folder of images with a folder of masks or alphas, paired by the path below the folder, but for the suffix."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from curation.dataset.sample import Item, Outcome, Plan, Source
from curation.errors import ConfigurationProblem, InputRefused
from curation.images.folders import TOLD, Listing, list_source
from curation.images.header import inspect
from curation.images.mask_values import MaskValues, person_values, refuse_absent
from curation.images.pixels import JPEG_NOISE, Alpha, Mask, decode_alpha, decode_mask, decode_matte, decode_values
from curation.labels.label_frame import LabelFrame
from curation.labels.made_labels import LabelRules
from curation.labels.masks import ALPHA_THRESHOLD, mask_of
from curation.labels.source_images import Verify
from curation.quarantine import BadRecord, Code
from curation.setting import setting
from curation.sources.group_by_name import grouping_line, groups_by_name
from curation.sources.label_names import label_key, only_labels, refuse_other_names
from curation.sources.labels_from_alpha import PairRules, place_pair
from curation.sources.match_by_name import (
    FOLDER_MARK,
    Intake,
    Matching,
    Pair,
    by_key,
    items_of,
    match,
    named_source,
    plan_of,
    read_label,
    settings_of,
    without_suffix,
)
from curation.sources.shared_settings import (
    follow_links_setting,
    group_by_setting,
    image_uris_setting,
    label_frame_setting,
    trimap_kernel_setting,
    verify_setting,
)

COMMAND: Final = "pairs"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsSettings:
    """What to read, and what to write into every row; `masks` or `alphas` is given.

    For `fit` and `label_frame` see `PairRules`.
    """

    images: Path = setting("Folder of images; sub-folders are read too.", metavar="DIR")
    masks: Path | None = setting("Folder of binary masks, 255 (or 1) = person.", default=None, metavar="DIR")
    alphas: Path | None = setting("Folder of alphas: RGBA cut-outs or gray mattes.", default=None, metavar="DIR")
    source: str | None = setting("Name of the source.  [default: the images folder's name, made unique]", default=None)
    split: Literal["train", "val", "test"] | None = setting("Split of every sample.", default=None)
    license: str | None = setting("Licence of every sample.", default=None)
    threshold: int | None = setting(
        "A pixel is person where its alpha (0..255) is larger.  [default: 50] Where it is given, mattes of "
        "JPEG files are taken, and --masks that are not of two values are cut.",
        default=None,
    )
    trimap_kernel: str = trimap_kernel_setting("none")
    fit: bool = setting("Scale a label that has another size than its image but the same shape.", default=False)
    label_frame: LabelFrame | None = label_frame_setting()
    verify: Verify = verify_setting()
    limit: int | None = None
    person_value: str | None = setting(
        "With --masks: the value of the person in masks of other values than 0 and 255; 255 beside it (102, 127, 128 "
        "beside 255) is not labelled, all else is background.",
        default=None,
        metavar="V|A-B",
        added=True,
    )
    label_prefix: str = setting(
        "What precedes the image's name in the name of its label, such as mask_.",
        default="",
        metavar="TEXT",
        added=True,
    )
    label_suffix: str = setting(
        "What follows the image's name in the name of its label, such as _mask.", default="", metavar="TEXT", added=True
    )
    group_by: str | None = group_by_setting(added=True)
    follow_links: tuple[Path, ...] = follow_links_setting()
    image_uris: bool = image_uris_setting()


def plan_pairs(settings: PairsSettings) -> Plan:
    """Pair the files of two folders by name.

    Raises ConfigurationProblem for masks and alphas together, or neither; InputRefused when two files claim one id,
    or there is no pair.
    """
    labels_root, values = _labels_root(settings), mask_values(settings)
    images, labels = _listed(settings, labels_root=labels_root)
    fingerprint = _fingerprint(images, labels)
    source = named_source(settings.source, folder=settings.images, fingerprint=fingerprint, files=images.files)
    matching = _matched(settings, images=images, labels=labels, labels_root=labels_root)
    groups = groups_by_name(matching.pairs, by=settings.group_by, source=source)
    items, broken = items_of(
        matching,
        roots=(settings.images, labels_root),
        sample_id=lambda key: key.replace("/", FOLDER_MARK),
        split=lambda _: settings.split,
        group=groups.get,
        links=[str(link) for link in settings.follow_links],
    )
    if not items:
        refuse_other_names(matching, roots=(settings.images, labels_root))
    told = [] if values is None else [f"masks: {values.meaning()}"]
    told += grouping_line(groups, by=settings.group_by, names=len(items))
    intake = Intake(
        command=COMMAND,
        settings=_told_settings(settings),
        source=Source(name=source, path=str(settings.images), fingerprint=fingerprint),
        inputs=[settings.images, labels_root],
        listings=[images, labels],
        items=items,
        broken=broken,
        notes={TOLD: told} if told else {},
        limit=settings.limit,
    )
    return _planned(intake, settings=settings, rules=_rules(settings, source=source), values=values)


def _rules(settings: PairsSettings, *, source: str) -> PairRules:
    labels = LabelRules(
        source=source,
        license=settings.license,
        threshold=ALPHA_THRESHOLD if settings.threshold is None else settings.threshold,
        trimap_kernel=settings.trimap_kernel,
        verify=settings.verify,
        by_uri=settings.image_uris,
    )
    return PairRules(
        labels=labels, with_alpha=settings.alphas is not None, frame=settings.label_frame, fit=settings.fit
    )


def _planned(intake: Intake, *, settings: PairsSettings, rules: PairRules, values: MaskValues | None) -> Plan:
    if values is not None and values.threshold is None:
        refuse_absent(values, masks=_stored_masks(intake.items), where=intake.inputs[1])
    folders = (*rules.folders(), *(["ignores"] if values is not None and values.ignored else []))
    if rules.with_alpha:
        may_be_jpeg = settings.threshold is not None
        return plan_of(intake, work=partial(take_alpha, rules=rules, may_be_jpeg=may_be_jpeg), folders=folders)
    return plan_of(intake, work=partial(take_mask, rules=rules, values=values), folders=folders)


def take_mask(item: Item, folder: Path, *, rules: PairRules, values: MaskValues | None = None) -> Outcome:
    """Write the mask of one pair, and link its image; raises BadRecord: whatever is wrong with the two.

    Without `values` it holds 0 and 255, or 0 and 1.
    """
    label, ignored = read_mask(item.payload, values=values)
    return place_pair(item, folder, label=label, rules=rules, ignored=ignored)


def read_mask(pair: Pair, *, values: MaskValues | None) -> tuple[Mask, Mask | None]:
    """Return the mask of a pair as it lies in its file, and, 255, what is not labelled, where values tell that.

    Raises BadRecord: whatever is wrong with the file.
    """
    return decode_label(read_label(pair), file=pair.label, values=values)


def decode_label(data: bytes, *, file: str, values: MaskValues | None) -> tuple[Mask, Mask | None]:
    """Return the mask (h, w) in a file, and, 255, what is not labelled, where values tell that; raises BadRecord."""
    if values is None:
        return decode_mask(data, file=file), None
    if values.threshold is not None:
        return _cut(data, file=file, threshold=values.threshold), None
    stored = decode_values(data, file=file)
    ignored = None
    if values.ignored:
        ignored = np.where(np.isin(stored, values.ignored), np.uint8(255), np.uint8(0))
    return np.where(values.is_person(stored), np.uint8(255), np.uint8(0)), ignored


def take_alpha(item: Item, folder: Path, *, rules: PairRules, may_be_jpeg: bool = False) -> Outcome:
    """Make the labels of one alpha, and link its image; raises BadRecord: whatever is wrong with the two."""
    pair: Pair = item.payload
    alpha, rules = decode_soft(read_label(pair), file=pair.label, rules=rules, may_be_jpeg=may_be_jpeg)
    return place_pair(item, folder, label=alpha, rules=rules)


def decode_soft(data: bytes, *, file: str, rules: PairRules, may_be_jpeg: bool = False) -> tuple[Alpha, PairRules]:
    """Return the alpha (h, w) of a cut-out or a matte, and how it is taken; raises BadRecord.

    A matte of 0 alone is a mask that says so; a cut-out of nothing is one that failed.
    """
    if inspect(data, file=file).has_alpha:
        return decode_alpha(data, file=file), rules
    alpha = decode_matte(data, file=file, may_be_jpeg=may_be_jpeg)
    return alpha, rules if alpha.any() else replace(rules, with_alpha=False)


def _stored_masks(items: Sequence[Item]) -> Iterator[NDArray[Any]]:
    """Yield the values of each mask that can be read; the others are set aside when their turn comes."""
    for item in items:
        with suppress(BadRecord):
            yield decode_values(read_label(item.payload), file=item.payload.label)


def _cut(data: bytes, *, file: str, threshold: int) -> Mask:
    """Return a mask as it is where it is one, else cut above the threshold; raises BadRecord where nothing is above."""
    try:
        return decode_mask(data, file=file)
    except BadRecord as problem:
        if problem.code is not Code.MASK_VALUES:
            raise
        stored = decode_values(data, file=file)
        values = stored if stored.dtype == np.uint8 else stored // 257  # 16 bits on the scale 0..255
        if JPEG_NOISE < values.max() <= threshold:
            problem.reason += f"; none is above the threshold {threshold}"
            raise
        return mask_of(values.astype(np.uint8), threshold=threshold)


def mask_values(settings: PairsSettings) -> MaskValues | None:
    """Return how masks are read that the user says something of; None where they are binary, and for alphas."""
    if settings.person_value is None:
        is_cut = settings.masks is not None and settings.threshold is not None
        return MaskValues(threshold=settings.threshold) if is_cut else None
    if settings.masks is None or settings.threshold is not None:
        raise ConfigurationProblem(
            "--person-value says which value of a mask is the person's; it goes with --masks, and without --threshold",
            remedy="leave out one of the options",
        )
    return person_values(settings.person_value)


def _told_settings(settings: PairsSettings) -> dict[str, Any]:
    """Return the settings for the card: the threshold of alphas as it works, that of masks where it is given."""
    told = settings_of(settings)
    if settings.masks is not None and settings.threshold is not None:
        told["mask_threshold"] = settings.threshold
    return told | {"threshold": ALPHA_THRESHOLD if settings.threshold is None else settings.threshold}


def _listed(settings: PairsSettings, *, labels_root: Path) -> tuple[Listing, Listing]:
    """List images and labels; in one folder, what has prefix and suffix of labels is one."""
    links = settings.follow_links
    prefix, suffix = settings.label_prefix, settings.label_suffix
    if not _is_one_folder(settings.images, labels_root):
        images = list_source(settings.images, elsewhere=labels_root, links=links)
        labels = list_source(labels_root, elsewhere=settings.images, links=links)
        return images, only_labels(labels, prefix=prefix, suffix=suffix)
    both = list_source(settings.images, links=links)
    labels = only_labels(both, prefix=prefix, suffix=suffix)
    taken = set(labels.files)
    return replace(both, files=tuple(file for file in both.files if file not in taken)), replace(
        labels, left_out={}, broken=(), not_entered={}
    )


def _matched(settings: PairsSettings, *, images: Listing, labels: Listing, labels_root: Path) -> Matching:
    by_name = by_key(images.files, key=without_suffix, root=settings.images)
    key = label_key(by_name, files=images.files, prefix=settings.label_prefix, suffix=settings.label_suffix)
    return match(by_name, by_key(labels.files, key=key, root=labels_root))


def _is_one_folder(images: Path, labels: Path) -> bool:
    return images.resolve() == labels.resolve()


def _labels_root(settings: PairsSettings) -> Path:
    roots = [root for root in (settings.masks, settings.alphas) if root is not None]
    if len(roots) != 1:
        raise ConfigurationProblem(
            "both --masks and --alphas are given" if roots else "neither --masks nor --alphas is given",
            remedy="give one of --masks DIR and --alphas DIR; `curate images --root DIR` takes images without labels",
        )
    if _is_one_folder(settings.images, roots[0]) and not (settings.label_suffix or settings.label_prefix):
        raise InputRefused(
            "images and labels are in one folder, so that their names do not distinguish them",
            where=settings.images,
            remedy="give the end of label names, e.g. --label-suffix _mask, or move the labels to another folder",
        )
    return roots[0]


def _fingerprint(images: Listing, labels: Listing) -> str:
    both = f"{images.fingerprint()}\n{labels.fingerprint()}\n"
    return hashlib.sha256(both.encode()).hexdigest()
