"""Each form read by the library that others read it with: by id the image, the mask, and what else it holds."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import cv2
import numpy as np
import PIL.Image
import pyarrow.parquet as pq
from pycocotools.coco import COCO

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class Seen(NamedTuple):
    """A sample as another library shows it: `image` (h, w, 3) RGB, the others (h, w) of 0 and 255."""

    set: str
    image: Pixels
    mask: Pixels | None
    ignored: Pixels | None = None
    alpha: Pixels | None = None


def shown(data: bytes) -> Pixels:
    with PIL.Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened.convert("RGB"))


def gray(data: bytes) -> Pixels:
    with PIL.Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened)


def names_of(folder: Path) -> dict[str, str]:
    """Return the id behind each image name."""
    table = pq.read_table(folder / "curate.parquet")
    return {Path(name).name: id_ for name, id_ in zip(table["image"].to_pylist(), table["id"].to_pylist(), strict=True)}


def quietly(read: Callable[[Path], dict[str, Seen]]) -> Callable[[Path], dict[str, Seen]]:
    """Return a reader whose library may warn as it likes."""

    @functools.wraps(read)
    def reading(folder: Path) -> dict[str, Seen]:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return read(folder)

    return reading


@quietly
def by_pycocotools(folder: Path) -> dict[str, Seen]:
    found, ids = {}, names_of(folder)
    for file in sorted((folder / "annotations").glob("*.json")):
        coco = COCO(str(file))
        is_labelled = file.name.startswith("instances")
        for image in coco.loadImgs(coco.getImgIds()):
            planes = []
            for crowd in (False, True):
                plane = np.zeros((image["height"], image["width"]), np.uint8)
                for one in coco.loadAnns(coco.getAnnIds(image["id"], iscrowd=crowd)):
                    area = int(coco.annToMask(one).sum())
                    assert one["area"] == area
                    plane |= coco.annToMask(one)
                planes.append(plane * 255)
            data = (folder / "images" / image["file_name"]).read_bytes()
            set_ = file.stem.partition("_")[2] if is_labelled else "unlabelled"
            person, ignored = planes
            found[ids[image["file_name"]]] = Seen(set_ or "all", shown(data), person if is_labelled else None, ignored)
    return found


def by_voc_lists(folder: Path) -> dict[str, Seen]:
    found = {}
    for file in sorted((folder / "ImageSets").rglob("*.txt")):
        for id_ in file.read_text().splitlines():
            (image,) = [path for path in (folder / "JPEGImages").iterdir() if path.stem == id_]
            masks = folder / "SegmentationClass" / f"{id_}.png"
            set_ = {"trainval": "all"}.get(file.stem, file.stem)
            if not masks.exists():
                found[id_] = Seen(set_, shown(image.read_bytes()), None)
                continue
            with PIL.Image.open(masks) as opened:
                assert opened.mode == "P"
                assert opened.getpalette()[45:48] == [192, 128, 128]
                classes = np.asarray(opened)
            assert set(np.unique(classes)) <= {0, 15, 255}
            person = ((classes == 15) * 255).astype(np.uint8)
            box = ElementTree.parse(folder / "Annotations" / f"{id_}.xml")
            assert box.findtext("filename") == image.name
            if person.any():
                x, y, w, h = cv2.boundingRect(person)
                corners = [int(box.findtext(f"object/bndbox/{name}")) for name in ("xmin", "ymin", "xmax", "ymax")]
                assert corners == [x + 1, y + 1, x + w, y + h]
            found[id_] = Seen(set_, shown(image.read_bytes()), person, ((classes == 255) * 255).astype(np.uint8))
    return found


def by_json_lists(folder: Path) -> dict[str, Seen]:
    """Read as the article's `HumanDataset` does: three lists, one place for one sample, OpenCV."""
    found, ids = {}, names_of(folder)
    for file in sorted(folder.glob("*_img.json")):
        set_ = file.name.removesuffix("_img.json")
        images = json.loads(file.read_text())
        if set_ == "unlabelled":
            found |= {ids[Path(name).name]: Seen(set_, opened(folder / name), None) for name in images}
            continue
        lists = [json.loads((folder / f"{set_}_{name}.json").read_text()) for name in ("mask", "alpha", "trimap")]
        for image, mask, alpha, trimap in zip(images, *lists, strict=True):
            planes = [cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE) for name in (mask, alpha, trimap)]
            assert set(np.unique(planes[2])) <= {0, 128, 255}
            found[ids[Path(image).name]] = Seen(set_, opened(folder / image), planes[0], None, planes[1])
    return found


def opened(path: Path) -> Pixels:
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION), cv2.COLOR_BGR2RGB)


@quietly
def by_tfrecord(folder: Path) -> dict[str, Seen]:
    from tfrecord import reader

    found = {}
    for file in sorted(folder.glob("*.tfrecord")):
        for one in reader.tfrecord_loader(str(file), None):
            classes = None
            if "image/segmentation/class/encoded" in one:
                assert bytes(one["image/segmentation/class/format"]) == b"png"
                classes = gray(bytes(one["image/segmentation/class/encoded"]))
            image = shown(bytes(one["image/encoded"]))
            assert image.shape[:2] == (one["image/height"][0], one["image/width"][0])
            assert bytes(one["image/filename"]).decode().startswith(bytes(one["image/id"]).decode())
            planes = [None if classes is None else ((classes == value) * 255).astype(np.uint8) for value in (1, 255)]
            alpha = gray(bytes(one["image/alpha/encoded"])) if "image/alpha/encoded" in one else None
            set_ = file.name.partition("-")[0]
            found[bytes(one["image/id"]).decode()] = Seen(set_, image, *planes, alpha)
    return found


@quietly
def by_webdataset(folder: Path) -> dict[str, Seen]:
    import webdataset as wds

    found = {}
    for file in sorted(folder.glob("*.tar")):
        for one in wds.WebDataset(str(file), shardshuffle=False, empty_check=False):
            row = json.loads(one["json"])
            mask, alpha, ignored = (
                gray(one[f"{name}.png"]) if f"{name}.png" in one else None for name in ("mask", "alpha", "ignore")
            )
            image = shown(one["jpg"] if "jpg" in one else one["png"])
            found[row["id"]] = Seen(file.name.partition("-0")[0], image, mask, ignored, alpha)
    return found


@quietly
def by_datasets(folder: Path) -> dict[str, Seen]:
    import datasets

    datasets.disable_progress_bars()
    found = {}
    loaded = datasets.load_dataset(str(folder), cache_dir=str(folder.with_name(f"{folder.name}-cache")))
    for split, rows in loaded.items():
        for one in rows:
            planes = [
                np.asarray(one[name]) if one.get(name) is not None else None for name in ("mask", "ignore", "alpha")
            ]
            set_ = {"validation": "val"}.get(split, split)
            found[one["id"]] = Seen(set_, np.asarray(one["image"].convert("RGB")), *planes)
    return found


READERS: dict[str, Callable[[Path], dict[str, Seen]]] = {
    "coco": by_pycocotools,
    "voc": by_voc_lists,
    "folders": by_json_lists,
    "tfrecord": by_tfrecord,
    "webdataset": by_webdataset,
    "hf": by_datasets,
}
