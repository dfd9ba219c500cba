"""What a prediction is shown as: mask, alpha, overlay, cut-out, or the classes of a model that has several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha, Image, Mask, encode_gray, encode_image
from curation.labels.masks import mask_of
from curation.photos.backdrop import Backdrop, laid_on
from models.prediction.edges import Edge, Predicted, edged_alpha
from models.prediction.ready_model import ReadyModel
from reports.page.class_colours import ROW_PX, laid_over, legend

Kind: TypeAlias = Literal["mask", "alpha", "overlay", "cutout", "classes"]
Picture: TypeAlias = NDArray[np.uint8]
"""(h, w) gray, (h, w, 3) RGB or (h, w, 4) RGBA."""
FOLDERS: Final[dict[str, str]] = {
    "mask": "masks",
    "alpha": "alphas",
    "overlay": "overlays",
    "cutout": "cutouts",
    "classes": "classes",
}
TINT: Final = (0, 168, 120)
"""The colour of a person in an overlay."""
SHARE_OF_TINT: Final = 0.45
LINE: Final = (255, 255, 255)
"""The colour of the outline."""
LEGEND_LINES: Final = 480
"""A legend is drawn once as large for each so many lines of a picture."""
QUALITY: Final = 95
"""Of the JPEGs that are written; at 95 nothing is seen of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Said:
    """What a model says of a picture: the prediction at its size, and where they were asked for its classes, (h, w)."""

    predicted: Predicted
    classes: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Showing:
    """What is made of each prediction, and how."""

    kinds: tuple[Kind, ...]
    edge: Edge
    backdrop: Backdrop

    def suffix(self, kind: Kind) -> str:
        """Return the suffix of an image of a kind."""
        is_photograph = kind == "overlay" or (kind == "cutout" and not self.backdrop.is_transparent)
        return ".jpg" if is_photograph else ".png"

    def needs_alpha(self) -> bool:
        """Tell whether an alpha is made at all."""
        return self.edge != "none" or not {"mask", "classes"}.issuperset(self.kinds)


def shown(
    image: Image, said: Said, *, showing: Showing, model: ReadyModel, file: str
) -> tuple[dict[Kind, Picture], tuple[str, ...]]:
    """Return the pictures of a prediction by kind, and notes where an edge could not be refined."""
    notes: tuple[str, ...] = ()
    mask = alpha = mask_of(said.predicted.probability)
    if showing.needs_alpha():
        alpha, notes = edged_alpha(image, said.predicted, model=model, edge=showing.edge, file=file)
    if showing.edge != "none":
        mask = mask_of(alpha)
    ways: dict[Kind, Callable[[], Picture]] = {
        "mask": lambda: mask,
        "alpha": lambda: alpha,
        "cutout": lambda: laid_on(image, alpha=alpha, backdrop=showing.backdrop),
        "overlay": lambda: overlay(image, said, alpha=alpha, mask=mask, names=model.card.class_names),
        "classes": lambda: mask if said.classes is None else said.classes,
    }
    return {kind: ways[kind]() for kind in showing.kinds}, notes


def encoded(kind: Kind, picture: Picture, *, showing: Showing) -> bytes:
    """Return the picture of an image as a file."""
    if picture.ndim == 2:
        return encode_gray(picture)
    return encode_image(picture, quality=None if showing.suffix(kind) == ".png" else QUALITY)


def overlay(image: Image, said: Said, *, alpha: Alpha, mask: Mask, names: Sequence[str]) -> Image:
    """Return an image with its classes in colours beside a legend; where the model has none, with the person tinted.

    The tint is as strong as each pixel is of the person, and an outline runs around the mask.
    """
    if said.classes is not None:
        return with_legend(image, said.classes, names=names)
    share = alpha.astype(np.float32)[..., None] * np.float32(SHARE_OF_TINT / 255)
    tinted = np.rint(image + share * (np.asarray(TINT, np.float32) - image)).astype(np.uint8)
    outline, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    width = max(1, round(min(mask.shape) / 360))
    return np.asarray(cv2.drawContours(tinted, outline, -1, LINE, width, cv2.LINE_AA), np.uint8)


def with_legend(image: Image, classes: NDArray[np.uint8], *, names: Sequence[str]) -> Image:
    """Return an image with the colours of its classes over it, and at its right what each colour is.

    The legend is as large as the picture needs; one that is longer than the picture is cut into columns.
    """
    height = image.shape[0]
    scale = max(1, round(height / LEGEND_LINES))
    rows = max(1, height // scale // ROW_PX)
    columns = [names[start : start + rows] for start in range(0, len(names), rows)]
    keys, number = [], 0
    for column in columns:
        keys.append(legend(column, height=height // scale + 1, first=number))
        number += len(column)
    key = np.hstack([one[: height // scale + 1] for one in keys]).repeat(scale, axis=0).repeat(scale, axis=1)[:height]
    return np.hstack([laid_over(image, classes=classes), key])
