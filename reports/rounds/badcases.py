"""Pictures of the samples on which a model does worst: image, label, prediction, and where the two differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from numpy.typing import NDArray

from curation.errors import InputRefused
from curation.images.pixels import Gray, Image, Mask, decode_gray, decode_image, encode_image
from curation.labels.masks import mask_of
from curation.quarantine import BadRecord
from curation.storage.files import make_folder, named_file, read_file, write_bytes
from models.data.truth import read_truth
from models.evaluation.score_files import prediction_path
from models.preprocessing import resized

BADCASES: Final = "badcases"
PANEL_PX: Final = 420
"""Longer side of each of the four pictures."""
LEAST_WIDTH_PX: Final = 560
"""Of the whole, so that the legend fits."""
GAP_PX: Final = 8
LINE_PX: Final = 22
FONT_PX: Final = 15
PAPER: Final = (255, 255, 255)
INK: Final = (30, 30, 30)
FALSE_PERSON: Final = (213, 94, 0)
MISSED_PERSON: Final = (0, 114, 178)
"""Vermillion and blue: two colours that can be distinguished with every kind of colour blindness.
Source: Okabe and Ito, "Color Universal Design", 2008."""
UNCOUNTED: Final = (170, 170, 170)
SCREEN: Final = (0, 158, 115)
"""What is no person lies behind this green, which, other than darkness, no photograph is mistaken for."""
SEEN_THROUGH: Final = 0.2
"""So much of the background is still seen."""
TINT: Final = 0.75
"""So much of the colour of an error, and the rest of the picture, which stays recognisable."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Badcase:
    """What is drawn: `prediction` is 255 x the probability of person, None where it was not finite; all (h, w).

    `valid` is False at pixels that do not count; `title` says which sample it is, and its scores.
    """

    title: str
    image: Image
    label: Mask
    prediction: Gray | None
    valid: NDArray[np.bool_] | None = None


def write_badcases(worst: Sequence[Mapping[str, Any]], *, rows: Mapping[str, Any], dataset: Path, out: Path) -> None:
    """Draw samples into `out/badcases`, as `<miou>_<id>.png`, from the predictions in `out/predictions`.

    `worst` are rows of scores, `rows` those of the manifest of `dataset` by id.
    Raises InputRefused when a file that was read a moment ago cannot be read any more.
    """
    make_folder(out / BADCASES, below=out)
    for score in worst:
        try:
            case = _read_badcase(score, row=rows[score["id"]], dataset=dataset, out=out)
        except BadRecord as problem:
            raise InputRefused(problem.reason, where=problem.file, remedy=problem.hint) from problem
        write_bytes(out / BADCASES / badcase_name(score["id"], miou=score["miou"]), badcase_picture(case))


def _read_badcase(score: Mapping[str, Any], *, row: Mapping[str, Any], dataset: Path, out: Path) -> Badcase:
    file = named_file(dataset, row["image"])
    truth = read_truth(row, folder=dataset, with_alpha=False)
    height, width = truth.mask.shape
    numbers = ", ".join(
        f"{name} {score[column]:.4f}"
        for name, column in (("mIoU", "miou"), ("person IoU", "iou_person"), ("boundary IoU", "boundary_iou"))
        if score[column] is not None
    )
    prediction = None
    if score["is_finite"]:
        stored = prediction_path(out, sample_id=row["id"])
        prediction = decode_gray(read_file(stored), file=str(stored))
    return Badcase(
        title=f"{row['id']}   {numbers or 'the prediction is not finite'}",
        image=resized(decode_image(read_file(file), file=str(file)), size=(height, width)),
        label=truth.mask,
        prediction=prediction,
        valid=truth.valid,
    )


def badcase_picture(case: Badcase) -> bytes:
    """Return a PNG of four pictures side by side, with the title above and the meaning of the colours below."""
    size = _panel_size((case.label.shape[0], case.label.shape[1]))
    nothing = np.zeros(case.label.shape, np.uint8)
    prediction = nothing if case.prediction is None else case.prediction
    panels = [
        case.image,
        _screened(case.image, person=case.label),
        _screened(case.image, person=prediction),
        _errors(case, prediction=prediction),
    ]
    names = ["image", "label", "prediction" if case.prediction is not None else "not finite", "errors"]
    return encode_image(_sheet([resized(panel, size=size) for panel in panels], names=names, case=case))


def badcase_name(sample_id: str, *, miou: float | None) -> str:
    """Return the file name of a badcase: the mIoU with four digits, so that the worst come first, and the id.

    >>> badcase_name("0012", miou=0.43218)
    '0.4322_0012.png'
    """
    value = "none" if miou is None else f"{miou:.4f}"
    # 255 bytes are the most that a file system takes, and an id may be as long as that
    return f"{value}_{sample_id}".encode()[:250].decode(errors="ignore") + ".png"


def _screened(image: Image, *, person: Gray) -> Image:
    """Return the image as it is where `person` is 255, and behind the screen where it is 0."""
    share = (SEEN_THROUGH + (1 - SEEN_THROUGH) * person.astype(np.float32) / 255)[:, :, None]
    return np.rint(share * image + (1 - share) * np.array(SCREEN, np.float32)).astype(np.uint8)


def _errors(case: Badcase, *, prediction: Gray) -> Image:
    """Return the image without colour, with the two kinds of errors in theirs."""
    gray = cv2.cvtColor(cv2.cvtColor(case.image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    drawn = gray.astype(np.float32)
    found, labelled = mask_of(prediction) > 0, case.label > 0
    for where, colour in ((found & ~labelled, FALSE_PERSON), (labelled & ~found, MISSED_PERSON)):
        drawn[where] = (1 - TINT) * drawn[where] + TINT * np.array(colour, np.float32)
    if case.valid is not None:
        drawn[~case.valid] = UNCOUNTED
    return np.rint(drawn).astype(np.uint8)


def _sheet(panels: list[Image], *, names: list[str], case: Badcase) -> Image:
    height, width = panels[0].shape[:2]
    columns = [GAP_PX + index * (width + GAP_PX) for index in range(len(panels))]
    top = GAP_PX + 2 * LINE_PX
    paper = PIL.Image.new("RGB", (max(LEAST_WIDTH_PX, columns[-1] + width + GAP_PX), top + height + LINE_PX), PAPER)
    draw, font = PIL.ImageDraw.Draw(paper), PIL.ImageFont.load_default(FONT_PX)
    draw.text((GAP_PX, GAP_PX // 2), case.title, fill=INK, font=font)
    for x, panel, name in zip(columns, panels, names, strict=True):
        paper.paste(PIL.Image.fromarray(panel), (x, top))
        draw.text((x, top - LINE_PX), name, fill=INK, font=font)
    legend = [(FALSE_PERSON, "background taken for person"), (MISSED_PERSON, "person missed")]
    x, y = GAP_PX, top + height + 2
    for colour, meaning in legend if case.valid is None else [*legend, (UNCOUNTED, "does not count")]:
        draw.rectangle((x, y + 3, x + FONT_PX, y + 3 + FONT_PX - 3), fill=colour)
        draw.text((x + LINE_PX, y), meaning, fill=INK, font=font)
        x += round(font.getlength(meaning)) + 2 * LINE_PX
    return np.array(paper)


def _panel_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) with the longer side at `PANEL_PX`."""
    height, width = size
    scale = PANEL_PX / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
