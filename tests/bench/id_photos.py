"""ID photos of the portraits of EG1800: how many are delivered, why others are not, and whether heads are as they must.

Independent of the detector of faces are the chins, marked by eye (eg1800_chins.txt), and the crowns, the tops of the
data set's own masks. `CURATE_BENCH_SHEET=FILE.png` also writes a sheet of twelve photos with their lines.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from curation.images.faces import Face
from curation.images.pixels import Image, decode_image, decode_mask, encode_image
from curation.photos.check_picture import check_picture
from curation.photos.id_photo import IdPhoto, IdRules, id_photo
from curation.photos.measures import Measure
from curation.photos.sizes import ID_SIZES, IdSize
from curation.quarantine import BadRecord
from models.prediction.edges import Predicted, edged_alpha
from models.prediction.face_finder import face_finder
from models.prediction.prepare import prepare
from models.prediction.protocol import EngineOptions
from tests.bench.measuring import say, sized
from tests.places import REAL_DATA

PORTRAITS: Final = REAL_DATA / "data" / "eg1800"
MODEL: Final = REAL_DATA / "models" / "selfie_general.onnx"
CHINS: Final = Path(__file__).with_name("eg1800_chins.txt")
SIZES: Final = ("schengen", "us")
DPI: Final = 300
SHEET: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """What became of one portrait."""

    name: str
    face: Face | None
    photo: IdPhoto | BadRecord
    measures: tuple[Measure, ...]


def bench() -> None:
    """Print the counts for each size."""
    if not PORTRAITS.is_dir() or not MODEL.exists():
        say("\nID photos: no real portraits here")
        return
    for name in SIZES[: sized(len(SIZES), short=1)]:
        rows = list(photos(ID_SIZES[name]))
        say(f"\nID photos of EG1800, --size {name}: {ID_SIZES[name].source}")
        tell(rows, size=ID_SIZES[name])
        if (sheet := os.environ.get("CURATE_BENCH_SHEET")) and name == SIZES[0]:
            Path(sheet).write_bytes(encode_image(contact_sheet(rows, size=ID_SIZES[name])))


def photos(size: IdSize) -> Iterator[Row]:
    """Yield what becomes of each portrait, with edges as the command makes them."""
    model = prepare(MODEL, options=EngineOptions(workers=1))
    predictor, finder = model.predictor(threads=1), face_finder(None, tell=say)
    rules = IdRules(size=size, pixels=size.in_pixels(DPI), colour=(255, 255, 255))
    files = sorted((PORTRAITS / "images").iterdir())
    for file in files[: sized(len(files), short=4)]:
        image = decode_image(file.read_bytes(), file=file.name)
        predicted = Predicted(probability=predictor.predict([image])[0])
        alpha, _ = edged_alpha(image, predicted, model=model, edge="matting", file=file.name)
        faces = finder.find(image)
        photo, measures = id_photo(image, alpha=alpha, faces=faces, rules=rules, file=file.name)
        yield Row(name=file.stem, face=faces[0] if faces else None, photo=photo, measures=measures)


def tell(rows: list[Row], *, size: IdSize) -> None:
    """Print the counts of one size."""
    made = [(row.name, row.photo) for row in rows if isinstance(row.photo, IdPhoto)]
    reasons = Counter(re.sub(r"-?\d[\d.]*", "#", row.photo.reason) for row in rows if isinstance(row.photo, BadRecord))
    say(f"  {len(made)} of {len(rows)} delivered; refused:")
    for reason, number in reasons.most_common():
        say(f"    {number:3d}  {reason}")
    mm = size.height_mm / size.in_pixels(DPI)[0]
    least, most = size.head
    bare = [photo.lines.bare * mm for _, photo in made]
    hair = [photo.lines.with_hair * mm for _, photo in made]
    seen = sum(0 < photo.lines.chin * mm < size.height_mm - 1 for _, photo in made)
    say(f"  the chin is seen in {seen} of {len(made)}; head within {least:g} to {most:g} mm")
    say(f"    by the detector: without hair {_told(bare, size)}, with it {_told(hair, size)}")
    chins = marked_chins()
    by_hand = [(name, photo, chin_in(photo, chins[name]) * mm) for name, photo in made if name in chins]
    to_crown = [chin - photo.lines.crown * mm for _, photo, chin in by_hand]
    to_hair = [chin - top_by_mask(name, photo) * mm for name, photo, chin in by_hand]
    say(f"    by chins marked by hand: without hair {_told(to_crown, size)}, to the top of")
    say(f"    EG1800's own mask {_told(to_hair, size)}")
    tell_chins(rows, chins=chins)


def _told(heads: list[float], size: IdSize) -> str:
    within = sum(size.head[0] <= head <= size.head[1] for head in heads)
    return f"{within} of {len(heads)} ({min(heads, default=0):.1f} to {max(heads, default=0):.1f} mm)"


def tell_chins(rows: list[Row], *, chins: dict[str, tuple[float, float]]) -> None:
    """Print how far the detector's chins are from those marked, down the face, in distances between the eyes."""
    off = []
    for row in rows:
        if row.face is not None and row.name in chins:
            down = np.subtract(row.face.chin, row.face.between_eyes)
            gap = np.subtract(chins[row.name], row.face.chin)
            off.append(float(gap @ down / np.hypot(*down)) / row.face.eye_distance)
    for half, values in (("first", off[: len(off) // 2]), ("second", off[len(off) // 2 :])):
        if values:
            told = f"{np.mean(values):+.3f} +- {np.std(values):.3f} distances between the eyes below the detector's"
            say(f"  chins by hand, {half} {len(values)}: {told}")


def marked_chins() -> dict[str, tuple[float, float]]:
    """Return the chins (x, y) that were marked, by the name of the portrait."""
    lines = [line.split() for line in CHINS.read_text().splitlines() if not line.startswith(("#", "id "))]
    return {name: (float(x), float(y)) for name, x, y in lines}


def chin_in(photo: IdPhoto, point: tuple[float, float]) -> float:
    """Return the row of a point of the photograph in the photo."""
    return float((photo.matrix @ (*point, 1.0))[1])


def top_by_mask(name: str, photo: IdPhoto) -> float:
    """Return the first row of the photo that the data set's own mask reaches, as wide as half an eye distance."""
    mask = decode_mask((PORTRAITS / "masks" / f"{name}.png").read_bytes(), file=name)
    warped: Any = cv2.warpAffine(mask, photo.matrix, (photo.picture.shape[1], photo.picture.shape[0]))
    wide = (warped > 127).sum(axis=1) >= 0.5 * photo.lines.eye_distance
    return float(np.flatnonzero(wide)[0])


def contact_sheet(rows: list[Row], *, size: IdSize) -> Image:
    """Return twelve photos with their lines, evenly taken from those that were delivered."""
    made = [row.photo for row in rows if isinstance(row.photo, IdPhoto)]
    chosen = [made[int(index)] for index in np.linspace(0, len(made) - 1, min(SHEET, len(made)))]
    tiles = [check_picture(photo.picture, lines=photo.lines, size=size) for photo in chosen]
    small = [np.asarray(cv2.resize(one, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8) for one in tiles]
    small += [np.full_like(small[0], 255)] * (-len(small) % 4)
    return np.vstack([np.hstack(small[start : start + 4]) for start in range(0, len(small), 4)])
