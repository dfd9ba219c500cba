"""A small data set with everything that is hard to hold in another form, one sample for each."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import PIL.Image

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import Dataset, read_dataset, write_dataset
from curation.dataset.sample import Sample, Source
from curation.dataset.table import table_of
from curation.images.pixels import encode_mask

H, W = 24, 32
BY: Final = "Attribution License http://creativecommons.org/licenses/by/2.0/"
CLASSES: Final = {"skin": 1, "hair": 2}
SPLIT_SAMPLES: Final = {
    "holes": "train",
    "x.1": "train",
    "x.2": "train",
    "nobody": "val",
    "soft": "test",
    "turned": "val",
}


def encoded(values: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(values).save(stream, kind, **options)
    return stream.getvalue()


def photo(seed: int, *, size: tuple[int, int] = (H, W)) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(PIL.Image.fromarray(small).resize(size[::-1], PIL.Image.Resampling.BICUBIC))


def person(*, with_hole: bool = False, size: tuple[int, int] = (H, W)) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[4:20, 6:20] = mask[2:6, 24:28] = 255  # two parts
    if with_hole:
        mask[8:12, 10:14] = 0
    return mask


class Drawing:
    """Writes the files of samples and notes their rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.samples: list[Sample] = []

    def add(self, id_: str, image: tuple[str, bytes], labels: dict[str, tuple[str, bytes]], **row: Any) -> None:
        """Add a sample; `labels` hold folder or path, and bytes, by column."""
        files = {"image": (f"images/{id_}{image[0]}", image[1])}
        files |= {c: (p if "." in p else f"{p}/{id_}.png", data) for c, (p, data) in labels.items()}
        for path, data in files.values():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(data)
        digests = {f"{c}_sha256": hashlib.sha256(data).hexdigest() for c, (_, data) in files.items() if c != "image"}
        fixed = {c: files[c][0] for c in ("mask", "alpha", "trimap") if c in files}
        others = {c: files[c][0] for c in files if c not in ("image", "mask", "alpha", "trimap")}
        number = len(self.samples)
        values: dict[str, Any] = {
            "split": SPLIT_SAMPLES.get(id_),
            "license": BY,
            "source": "drawn",
            "group": f"g{number // 2}",
        }
        values |= {"source_id": f"{number:04d}", "width": W, "height": H, "person_area": 0.25, "persons": number}
        values |= row
        added = {"miou": number / 7, "parts": [0.5, float(number)], "is_hard": number % 2 == 0, "note": f"n{number}"}
        sha256 = hashlib.sha256(image[1]).hexdigest()
        extra = added | digests | others
        self.samples.append(Sample(id=id_, image=files["image"][0], sha256=sha256, extra=extra, **fixed, **values))


def draw_set(folder: Path, *, encode: Callable[[np.ndarray], bytes] = encode_mask) -> Dataset:
    """Draw the data set: holes, parts, dots in ids, nobody, unlabelled, ignored, soft, classes, formats, turned."""
    drawing = Drawing(folder)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    mask = {"mask": ("masks", encode(person()))}
    holes = encode(person(with_hole=True))
    ignored = np.zeros((H, W), np.uint8)
    ignored[:3, :4] = 128
    alpha = np.where(person() > 0, 2 * np.arange(H)[:, None] + 205, 0).astype(np.uint8)
    trimap = np.where(person() > 0, np.uint8(255), np.uint8(0))
    trimap[10] = 128
    classes = np.where(person() > 0, np.uint8(2), np.uint8(0))
    jpg = [(".jpg", encoded(photo(seed), "JPEG", quality=95)) for seed in range(9)]
    drawing.add("holes", jpg[0], {"mask": ("masks/holes.v2.png", holes)}, label_version=2)
    drawing.add("x.1", jpg[1], mask, license="CC0")
    drawing.add("x.2", jpg[2], mask)
    drawing.add("nobody", jpg[3], {"mask": ("masks", encode(np.zeros((H, W), np.uint8)))}, persons=0, person_area=0.0)
    drawing.add("unlabelled é", jpg[4], {}, persons=None, person_area=None, license=None)
    drawing.add("crowded", jpg[5], mask | {"ignore": ("ignores", encoded(ignored))})
    drawing.add("soft", jpg[6], mask | {"alpha": ("alphas", encoded(alpha)), "trimap": ("trimaps", encoded(trimap))})
    drawing.add("parts", jpg[7], mask | {"classes": ("classes", encoded(classes))})
    upright = photo(8)
    stored = encoded(np.rot90(upright), "JPEG", quality=95, exif=exif)
    drawing.add("turned", (".jpg", stored), mask)
    drawing.add("web", (".webp", encoded(photo(9), "WEBP", lossless=True)), mask)
    drawing.add("ink", (".jpg", ink()), mask)
    drawing.add("gray", (".png", encoded(photo(10)[..., 0])), mask)
    drawing.add("deep", (".png", encoded(photo(12)[..., 0].astype(np.uint16) * 257)), mask)
    write_dataset(folder, card=_card(len(drawing.samples)), table=table_of(drawing.samples), quarantine=[])
    return read_dataset(folder)


def _card(samples: int) -> Card:
    return Card(
        name="drawn",
        command="merge",
        settings={},
        tool_version="0",
        run="0" * 16,
        sources=[Source(name="drawn", path="nowhere", fingerprint="f", licenses={"7": BY})],
        licenses={},
        counts=Counts(considered=samples, selected=samples, filtered={}, quarantined={}),
        notes={"classes": CLASSES},
    )


def ink() -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(photo(11)).convert("CMYK").save(stream, "JPEG", quality=95)
    return stream.getvalue()
