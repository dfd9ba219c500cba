"""Any folder of images with a folder of masks or alphas, paired by the path below the folder, but for the suffix."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from curation.cutouts import LabelRules, PairRules, place_pair
from curation.errors import ConfigurationProblem, InputRefused
from curation.folders import TOLD, Listing, list_source
from curation.grouping import grouping_line, groups_by_name
from curation.image_header import inspect
from curation.label_frame import LabelFrame
from curation.label_names import label_key, only_labels, refuse_other_names
from curation.mask_values import MaskValues, person_values
from curation.masks import ALPHA_THRESHOLD
from curation.originals import Verify
from curation.pairing import (
    ADDED,
    FOLDER_MARK,
    Intake,
    Matching,
    Pair,
    by_key,
    items_of,
    match,
    named_source,
    not_entered_note,
    plan_of,
    read_label,
    settings_of,
    strays_of,
    without_suffix,
)
from curation.pixels import JPEG_NOISE, Mask, decode_alpha, decode_mask, decode_matte, decode_values
from curation.quarantine import BadRecord, Code
from curation.samples import Item, Outcome, Plan, Source

COMMAND: Final = "pairs"
Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsSettings:
    """What to read. `masks` or `alphas` is given; `source`, `split` and `license` are written into every row.

    `threshold` cuts alphas, and masks that are not of two values; `person_value` says which value of masks is the
    person's. The name of a label is that of its image with `label_prefix` before it and `label_suffix` behind it.
    For `fit` and `label_frame` see `PairRules`, for `group_by` `groups_by_name`.
    """

    images: Path
    masks: Path | None = None
    alphas: Path | None = None
    source: str | None = None
    split: Split | None = None
    license: str | None = None
    threshold: int | None = None
    trimap_kernel: str = "none"
    fit: bool = False
    label_frame: LabelFrame | None = None
    verify: Verify = "full"
    limit: int | None = None
    person_value: str | None = field(default=None, metadata=ADDED)
    label_prefix: str = field(default="", metadata=ADDED)
    label_suffix: str = field(default="", metadata=ADDED)
    group_by: str | None = field(default=None, metadata=ADDED)
    follow_links: tuple[Path, ...] = field(default=(), metadata=ADDED)


def plan_pairs(settings: PairsSettings) -> Plan:
    """Pair the files of two folders by name.

    Raises ConfigurationProblem for masks and alphas together, or neither; InputRefused when two files claim one id,
    or there is no pair.
    """
    labels_root, values = _labels_root(settings), _values(settings)
    images, labels = _listed(settings, labels_root=labels_root)
    fingerprint = _fingerprint(images, labels)
    labels_made = LabelRules(
        source=named_source(settings.source, folder=settings.images, fingerprint=fingerprint, files=images.files),
        license=settings.license,
        threshold=ALPHA_THRESHOLD if settings.threshold is None else settings.threshold,
        trimap_kernel=settings.trimap_kernel,
        verify=settings.verify,
    )
    rules = PairRules(
        labels=labels_made, with_alpha=settings.alphas is not None, frame=settings.label_frame, fit=settings.fit
    )
    matching = _matched(settings, images=images, labels=labels, labels_root=labels_root)
    groups = groups_by_name(matching.pairs, by=settings.group_by, source=labels_made.source)
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
    told = [] if values is None else [f"masks: {values.told()}"]
    told += grouping_line(groups, by=settings.group_by, names=len(items))
    intake = Intake(
        command=COMMAND,
        settings=_told_settings(settings),
        source=Source(name=labels_made.source, path=str(settings.images), fingerprint=fingerprint),
        inputs=[settings.images, labels_root],
        items=items,
        broken=[*images.broken, *labels.broken, *broken],
        strays=strays_of(images, labels),
        notes=not_entered_note(images, labels) | ({TOLD: told} if told else {}),
        limit=settings.limit,
    )
    return _planned(intake, settings=settings, rules=rules, values=values)


def _planned(intake: Intake, *, settings: PairsSettings, rules: PairRules, values: MaskValues | None) -> Plan:
    folders = (*rules.folders(), *(["ignores"] if values is not None and values.ignored else []))
    if rules.with_alpha:
        may_be_jpeg = settings.threshold is not None
        return plan_of(intake, work=partial(take_alpha, rules=rules, may_be_jpeg=may_be_jpeg), folders=folders)
    return plan_of(intake, work=partial(take_mask, rules=rules, values=values), folders=folders)


def take_mask(item: Item, folder: Path, *, rules: PairRules, values: MaskValues | None = None) -> Outcome:
    """Write the mask of one pair, and link its image; raises BadRecord: whatever is wrong with the two.

    Without `values` it holds 0 and 255, or 0 and 1.
    """
    pair: Pair = item.payload
    data = read_label(pair)
    if values is None:
        return place_pair(item, folder, label=decode_mask(data, file=pair.label), rules=rules)
    if values.threshold is not None:
        return place_pair(item, folder, label=_cut(data, file=pair.label, threshold=values.threshold), rules=rules)
    stored = decode_values(data, file=pair.label)
    ignored = None
    if values.ignored:
        ignored = np.where(np.isin(stored, values.ignored), np.uint8(255), np.uint8(0))
    label = np.where(values.is_person(stored), np.uint8(255), np.uint8(0))
    return place_pair(item, folder, label=label, rules=rules, ignored=ignored)


def take_alpha(item: Item, folder: Path, *, rules: PairRules, may_be_jpeg: bool = False) -> Outcome:
    """Make the labels of one alpha, and link its image; raises BadRecord: whatever is wrong with the two."""
    pair: Pair = item.payload
    data = read_label(pair)
    if inspect(data, file=pair.label).has_alpha:
        return place_pair(item, folder, label=decode_alpha(data, file=pair.label), rules=rules)
    alpha = decode_matte(data, file=pair.label, may_be_jpeg=may_be_jpeg)
    # a matte of 0 alone is a mask that says so; a cut-out of nothing is one that failed
    return place_pair(item, folder, label=alpha, rules=rules if alpha.any() else replace(rules, with_alpha=False))


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
        return np.where(values > threshold, np.uint8(255), np.uint8(0))


def _values(settings: PairsSettings) -> MaskValues | None:
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
            "images and labels are in one folder, so that their names cannot tell them apart",
            where=settings.images,
            remedy="say how names of labels end, e.g. --label-suffix _mask, or move them to a folder of their own",
        )
    return roots[0]


def _fingerprint(images: Listing, labels: Listing) -> str:
    both = f"{images.fingerprint()}\n{labels.fingerprint()}\n"
    return hashlib.sha256(both.encode()).hexdigest()
