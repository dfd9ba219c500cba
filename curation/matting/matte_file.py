"""The alpha of one image file, from a trimap file or a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curation.images.pixels import Alpha, Image, decode_gray, decode_image, encode_gray, encode_image
from curation.labels.trimaps import UNKNOWN
from curation.matting.composite import person_colours
from curation.matting.matte import PREDICTED_HINT, MattingRules, matte, trimap_from_values, unknown_value
from curation.matting.plan_matte import AlphaOf, TrimapOf
from curation.quarantine import BadRecord, Code
from curation.sources.labels_from_alpha import soft_share
from curation.storage.files import make_folder, read_file, write_durable


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteFile:
    """An image and where its alpha comes from: `alpha_of`, or matting, of a trimap in a file or else by `trimap_of`.

    With `cutout` RGBA is written.
    """

    image: Path
    trimap: Path | None
    trimap_of: TrimapOf | None
    alpha_of: AlphaOf | None = None
    cutout: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeMatte:
    """What was made: its size in pixels, and the share of it that is neither background nor person alone.

    `unknown` is the value that stood for "unknown" in the trimap that was given, where that is not 128.
    """

    width: int
    height: int
    soft: float
    unknown: int | None = None


def matte_file(asked: MatteFile, *, out: Path, rules: MattingRules) -> MadeMatte:
    """Write the alpha of an image as a gray PNG, or as RGBA; raises BadRecord: what is wrong with its files."""
    file = str(asked.image)
    image = decode_image(read_file(asked.image), file=file)
    alpha, unknown = _alpha(image, asked=asked, rules=rules)
    rgba = np.dstack([person_colours(image, alpha=alpha), alpha]) if asked.cutout else None
    make_folder(out.parent)
    write_durable(out, encode_gray(alpha) if rgba is None else encode_image(rgba))
    return MadeMatte(
        width=alpha.shape[1],
        height=alpha.shape[0],
        soft=soft_share(alpha),
        unknown=None if unknown == UNKNOWN else unknown,
    )


def _alpha(image: Image, *, asked: MatteFile, rules: MattingRules) -> tuple[Alpha, int | None]:
    """Return the alpha, and the value that stood for "unknown" in a trimap that was given."""
    file = str(asked.image)
    if asked.alpha_of is not None:
        return asked.alpha_of(image, file), None
    if asked.trimap is not None:
        name = str(asked.trimap)
        stored = decode_gray(read_file(asked.trimap), file=name)
        trimap, unknown = trimap_from_values(stored, file=name), unknown_value(stored)
    else:
        assert asked.trimap_of is not None, "a trimap is given or predicted"
        trimap, name, unknown = asked.trimap_of(image, file), file, None
    try:
        return matte(image, trimap=trimap, rules=rules, file=name), unknown
    except BadRecord as problem:
        if problem.code is Code.TRIMAP and asked.trimap is None:
            problem.hint = PREDICTED_HINT
        raise
