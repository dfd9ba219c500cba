"""Alphas that `curate matte --from-masks` makes, against the blurred mask, where the true alpha is known.

Persons are those of P3M and of two pairs of AiFenGe at about half a megapixel, whose alphas a strong model and a
service made. In their own photographs these are the truth as far as they go; laid on photographs of COCO that show
nobody, they are the truth. Masks are the outline of the truth, and that outline as somebody draws it, with a polygon.
Drawn persons stand in where there is no real data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from curation.images.faces import Face
from curation.images.pixels import Alpha, Image, Mask, decode_gray, decode_image
from curation.labels.masks import mask_of
from curation.matting.composite import composite, person_colours, soft_alpha
from curation.matting.from_mask import matting_trimap, prior_of_mask
from curation.matting.matte import matte
from curation.matting.pymatting_door import compile_once
from curation.sources.demo_sources import write_aifenge_sample
from models.prediction.face_finder import face_finder
from tests.bench.measuring import IS_SHORT, say, sized
from tests.places import REAL_DATA

PIXELS: Final = sized(480_000, short=20_000)
BEHIND: Final = 2
"""Backgrounds for each person."""
SIGMAS_PX: Final = (0.7, 1.0, 1.4, 2.0, 2.8)
"""Blurs of the mask of which the best for all is taken, which nobody can know without the truth."""
GOAL: Final = 0.75
"""Of the SAD of the blurred mask."""
HALO: Final = 1.0
"""Grey levels."""
PERSON: Final = 1
"""Of COCO's categories."""
POLYGON: Final = 0.004
"""How far a drawn outline may be off, as a share of the frame's height."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """An image (h, w, 3) and the alpha (h, w) of its person; of a composite also the person's own colours (h, w, 3)."""

    image: Image
    alpha: Alpha
    faces: list[Face]
    colours: Image | None = None


def bench(folder: Path) -> None:
    """Print SAD by kind of picture and of mask, and the halo of cut-outs."""
    compile_once()
    found = list(cases(folder))
    own, laid = [one for one in found if one.colours is None], [one for one in found if one.colours is not None]
    seen = sum(bool(one.faces) for one in own)
    say(f"\nAlphas from masks: {len(own)} photographs, {len(laid)} composites; a face is found in {seen} persons")
    for name, chosen in (("composites", laid), ("photographs", own)):
        for kind, masked in (("outline of the truth", mask_of), ("drawn outline", drawn)):
            tell(
                f"{name}, {kind}",
                {way: [error(one, mask=masked(one.alpha), way=way) for one in chosen] for way in WAYS},
            )
    tell_halo(laid)


def cases(folder: Path) -> Iterator[Case]:
    """Yield each person in the own photograph, and on backgrounds."""
    finder = None if IS_SHORT else face_finder(None, tell=say)
    behind = backgrounds()
    for number, (image, alpha) in enumerate(persons(folder)):
        faces = [] if finder is None else finder.find(image)
        yield Case(image=image, alpha=alpha, faces=faces)
        colours = person_colours(image, alpha=alpha)
        for step in range(BEHIND):
            background = filling(behind[(BEHIND * number + step) % len(behind)], shape=alpha.shape)
            laid = composite(colours, alpha=alpha, background=background)
            yield Case(image=laid, alpha=alpha, faces=faces, colours=colours)


def persons(folder: Path) -> Iterator[tuple[Image, Alpha]]:
    """Yield photographs and true alphas."""
    data = REAL_DATA / "data"
    if IS_SHORT or not (data / "p3m").is_dir():
        write_aifenge_sample(folder / "mattes", images=sized(4, short=2), seed=0)
        root = folder / "mattes"
    else:
        root = data / "aifenge"
        for file in sorted((data / "p3m" / "alphas").iterdir()):
            image = next((data / "p3m" / "images").glob(f"{file.stem}.*"))
            alpha = decode_gray(file.read_bytes(), file=file.name)
            yield scaled(decode_image(image.read_bytes(), file=image.name), alpha)
    for file in sorted(root.glob("matting/*/*/*.png"))[: sized(4, short=1)]:
        image = next(root.glob(f"clip_img/*/*/{file.stem}.jpg"))
        stored = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        yield scaled(decode_image(image.read_bytes(), file=image.name), np.asarray(stored[..., 3], np.uint8))


def backgrounds() -> list[Image]:
    """Return photographs of COCO that show nobody; noise in large spots where there is no real data."""
    coco = REAL_DATA / "data" / "coco"
    if IS_SHORT or not coco.is_dir():
        spots = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
        return [np.asarray(cv2.resize(spots, (240, 180), interpolation=cv2.INTER_CUBIC), np.uint8)]
    known = json.loads((coco / "annotations" / "instances_train2017.json").read_bytes())
    shown = {one["image_id"] for one in known["annotations"] if one["category_id"] == PERSON}
    files = [coco / "train2017" / one["file_name"] for one in known["images"] if one["id"] not in shown]
    return [decode_image(file.read_bytes(), file=file.name) for file in sorted(files)[:: len(files) // 16]]


def scaled(image: Image, alpha: Alpha) -> tuple[Image, Alpha]:
    """Return both at `PIXELS` at most."""
    scale = min(1.0, (PIXELS / alpha.size) ** 0.5)
    size = round(alpha.shape[1] * scale), round(alpha.shape[0] * scale)
    smaller = [cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (image, alpha)]
    return np.asarray(smaller[0], np.uint8), np.asarray(smaller[1], np.uint8)


def filling(picture: Image, *, shape: tuple[int, ...]) -> Image:
    """Return the upper left part of a picture (h, w, 3), scaled evenly until it fills a frame."""
    scale = max(shape[0] / picture.shape[0], shape[1] / picture.shape[1])
    size = max(shape[1], round(picture.shape[1] * scale)), max(shape[0], round(picture.shape[0] * scale))
    large: Any = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[: shape[0], : shape[1]])


def drawn(alpha: Alpha) -> Mask:
    """Return the mask of an alpha with its outline as a polygon."""
    mask = mask_of(alpha)
    outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    polygons = [cv2.approxPolyDP(one, POLYGON * mask.shape[0], closed=True) for one in outlines]
    filled: Any = cv2.drawContours(np.zeros_like(mask), polygons, -1, 255, cv2.FILLED)
    return np.asarray(filled, np.uint8)


def matted(one: Case, mask: Mask, *, faces: list[Face]) -> Alpha:
    """Return the alpha as the command makes it."""
    return matte(one.image, trimap=matting_trimap(mask, faces=faces), prior=prior_of_mask(mask))


BLURS: Final = {f"blurred by {sigma:g} px": sigma for sigma in SIGMAS_PX}
WAYS: Final = ("mask", "blurred by its size", *BLURS, "matted", "matted, with --heads")


def error(one: Case, *, mask: Mask, way: str) -> float:
    """Return the sum of absolute differences of one way to the truth, in thousands."""
    if way == "mask":
        alpha = mask
    elif way in BLURS:
        alpha = soft_alpha(mask, sigma_px=BLURS[way])
    elif way.startswith("blurred"):
        alpha = soft_alpha(mask)
    else:
        alpha = matted(one, mask, faces=one.faces if "heads" in way else [])
    return float(np.abs(alpha.astype(np.int16) - one.alpha).sum()) / 255e3


def tell(name: str, errors: dict[str, list[float]]) -> None:
    """Print the means of one kind, and how far they are under the blurred mask."""
    means = {way: float(np.mean(values)) for way, values in errors.items()}
    best = min(BLURS, key=means.__getitem__)
    usual = "blurred by its size"
    say(f"  {name}: mask {means['mask']:.2f}, {usual} {means[usual]:.2f}, {best} (the best for all) {means[best]:.2f}")
    for way in WAYS[-2:]:
        shares = [means[way] / means[blur] for blur in (usual, best)]
        told = ["reached" if share <= GOAL else "not reached" for share in shares]
        say(
            f"    {way} {means[way]:.2f}: {1 - shares[0]:.0%} under the usual blur (goal 25%: {told[0]}), "
            f"{1 - shares[1]:.0%} under the best ({told[1]})"
        )


def tell_halo(laid: list[Case]) -> None:
    """Print the halo of cut-outs with the true alpha, and with that from the mask, and of the photograph's colours."""
    for name, with_truth in (("the true alpha", True), ("the alpha from the mask", False)):
        off, plain = [], []
        for one in laid:
            alpha = one.alpha if with_truth else matted(one, mask_of(one.alpha), faces=one.faces)
            off.append(halo(one, alpha=alpha, colours=person_colours(one.image, alpha=alpha)))
            plain.append(halo(one, alpha=alpha, colours=one.image))
        told = "reached" if np.mean(off) < HALO else "not reached"
        say(f"  halo with {name}: {np.mean(off):.2f} grey levels (goal 1: {told}); uncorrected {np.mean(plain):.2f}")


def halo(one: Case, *, alpha: Alpha, colours: Image) -> float:
    """Return how far, along the soft edge, a cut-out laid on white is from the person's own colours laid there.

    Both are laid with the true alpha: errors of alpha are told as SAD. It is the mean absolute difference.
    """
    white = np.full_like(one.image, 255)
    edge = cv2.dilate(np.asarray((one.alpha > 0) & (one.alpha < 255), np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert one.colours is not None, "composites have them"
    cut = composite(colours, alpha=one.alpha, background=white).astype(np.int16)
    true = composite(one.colours, alpha=one.alpha, background=white).astype(np.int16)
    return float(np.abs(cut - true)[edge].mean())
