"""Alphas for a dataset: images and masks are linked, alphas and trimaps made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from curation.dataset.dataset import Dataset
from curation.dataset.sample import COLUMNS, Item, Outcome, Plan
from curation.images.faces import Face
from curation.images.pixels import (
    Alpha,
    Image,
    decode_gray,
    decode_image,
    decode_mask,
    encode_gray,
    encode_image,
    encode_mask,
)
from curation.labels.label_files import FOLDERS, place_labels
from curation.labels.masks import mask_of, person_area
from curation.labels.trimaps import Trimap, auto_kernel, trimap_from_alpha
from curation.matting.closed_form import Prior
from curation.matting.composite import person_colours
from curation.matting.from_mask import matting_trimap, prior_of_mask
from curation.matting.matte import BAND_HINT, PREDICTED_HINT, MattingRules, matte, trimap_from_values
from curation.operations.merge import merge_sample, parent_name, plan_merge
from curation.quarantine import BadRecord, Code
from curation.storage.checksums import read_named
from curation.storage.files import named_file, read_file

COMMAND: Final = "matte"
NOBODY: Final = "leave the sample out, or take another model"
TrimapOf = Callable[[Image, str], Trimap]
"""Gives the trimap of an image; the second argument is the file to name in a BadRecord."""
AlphaOf = Callable[[Image, str], Alpha]
"""Gives the alpha of an image; the second argument is the file to name in a BadRecord."""
FacesOf = Callable[[Image], Sequence[Face]]
"""Gives the faces in an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteSettings:
    """How a dataset is matted.

    Alphas come from `alpha_of` where that is given, and trimaps from them. Else they are matted, of trimaps that come
    from `trimap_of` where that is given; `described` is the name and hash of the model. Else trimaps are the dataset's,
    and where it has none, or with `from_masks`, from the masks, with a band of `band` pixels (None: in proportion to
    the person, and wider around the heads that `faces_of` shows, if it is given; `faces` is the hash of what finds
    them).
    With `cutouts` the colours of the person alone are written too, as RGBA; with `masks` the masks are made again.
    """

    rules: MattingRules
    band: int | None = None
    trimap_of: TrimapOf | None = None
    alpha_of: AlphaOf | None = None
    described: Mapping[str, Any] | None = None
    from_masks: bool = False
    faces_of: FacesOf | None = None
    faces: str | None = None
    cutouts: bool = False
    masks: bool = False
    limit: int | None = None


def plan_matte(dataset: Dataset, *, settings: MatteSettings) -> Plan:
    """Plan the dataset with alphas; raises InputRefused where a row of the manifest cannot be read."""
    base = plan_merge([dataset], limit=settings.limit)
    makes_masks = settings.masks or dataset.table["mask"].null_count > 0
    folders = {*base.folders, "alphas", "trimaps", *(["masks"] if makes_masks else [])}
    if settings.cutouts:
        folders.add(FOLDERS["cutout"])
    return replace(
        base,
        command=COMMAND,
        settings={
            "manifest": dataset.card.manifest_sha256[:16],
            "method": settings.rules.method,
            "max_pixels": settings.rules.max_pixels,
            "band": settings.band,
            "model": None if settings.described is None else dict(settings.described),
            "from_masks": settings.from_masks,
            "faces": settings.faces,
            "cutouts": settings.cutouts,
            "masks": settings.masks,
            "limit": settings.limit,
        },
        work=partial(matte_sample, settings=settings),
        parents=[parent_name(dataset)],
        folders=tuple(sorted(folders)),
    )


def matte_sample(item: Item, folder: Path, *, settings: MatteSettings) -> Outcome:
    """Link one sample's files, and write its alpha; raises BadRecord: whatever is wrong with one of them."""
    row = item.payload["row"]
    if row["persons"] == 0:
        return merge_sample(item, folder)  # nobody, so nothing to matte
    origin = Path(item.payload["folder"])
    image = decode_image(read_named(row, column="image", folder=origin), file=item.file)
    trimap, alpha = _labels(row, image=image, origin=origin, settings=settings)
    pictures = {"alpha": encode_gray(alpha), "trimap": encode_gray(trimap)}
    mask = mask_of(alpha) if settings.masks or row["mask"] is None else None
    if mask is not None:
        pictures["mask"] = encode_mask(mask)
    if settings.cutouts:
        pictures["cutout"] = encode_image(np.dstack([person_colours(image, alpha=alpha), alpha]))
    kept = {**row, **dict.fromkeys(pictures)}  # what is made here is not linked first
    linked = merge_sample(replace(item, payload={**item.payload, "row": kept}), folder).sample
    assert linked is not None, "a row that is linked becomes a sample"
    placed = place_labels(pictures, sample_id=item.id, folder=folder)
    cutout = {name: placed.paths[name] for name in placed.paths.keys() - COLUMNS}
    labels = {name: path for name, path in placed.paths.items() if name in COLUMNS}
    area = linked.person_area if mask is None else person_area(mask)
    extra = {**linked.extra, **cutout, **placed.digests}
    return Outcome(id=item.id, sample=msgspec.structs.replace(linked, **labels, person_area=area, extra=extra))


def _labels(row: Mapping[str, Any], *, image: Image, origin: Path, settings: MatteSettings) -> tuple[Trimap, Alpha]:
    file = str(origin / row["image"])
    if settings.alpha_of is not None:
        alpha = settings.alpha_of(image, file)
        mask = mask_of(alpha)
        if not mask.any():
            raise BadRecord(Code.EMPTY_ALPHA, "the model finds no person in it", file=file, hint=NOBODY)
        return trimap_from_alpha(alpha, kernel=auto_kernel(mask)), alpha
    trimap, prior = _trimap(row, image=image, origin=origin, settings=settings)
    try:
        return trimap, matte(image, trimap=trimap, prior=prior, rules=settings.rules, file=file)
    except BadRecord as problem:
        if problem.code is Code.TRIMAP and (settings.trimap_of is not None or not _is_given(row, settings=settings)):
            problem.hint = BAND_HINT if settings.trimap_of is None else PREDICTED_HINT  # nobody drew a trimap
        raise


def _trimap(
    row: Mapping[str, Any], *, image: Image, origin: Path, settings: MatteSettings
) -> tuple[Trimap, Prior | None]:
    """Return the trimap, and where it comes from a mask, what that lets expect."""
    file = str(origin / row["image"])
    if settings.trimap_of is not None:
        return settings.trimap_of(image, file), None
    is_given = _is_given(row, settings=settings)
    relative = row["trimap"] if is_given else row["mask"]
    if relative is None:
        hint = "give the dataset masks or trimaps, or a model with --model"
        raise BadRecord(Code.NO_MASK, "the sample has neither trimap nor mask", file=file, hint=hint)
    data, name = read_file(named_file(origin, relative), below=origin), str(origin / relative)
    if is_given:
        return trimap_from_values(decode_gray(data, file=name), file=name), None
    mask = decode_mask(data, file=name)
    faces = () if settings.faces_of is None or settings.band is not None else settings.faces_of(image)
    return matting_trimap(mask, kernel=settings.band, faces=faces), prior_of_mask(mask)


def _is_given(row: Mapping[str, Any], *, settings: MatteSettings) -> bool:
    return row["trimap"] is not None and not settings.from_masks
