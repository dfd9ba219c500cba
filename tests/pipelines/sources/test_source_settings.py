"""What a dataset's card keeps of the settings of its source, in this order: a run is known again by it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import pipelines as curate

BOX = np.zeros((40, 30), np.uint8)
BOX[8:32, 6:24] = 255


def write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with images, masks of them, and portraits with mattes."""
    photo = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    write(tmp_path / "images" / "1.png", photo)
    write(tmp_path / "masks" / "1.png", BOX)
    write(tmp_path / "portraits" / "1.png", photo)
    write(tmp_path / "portraits" / "1_matte.png", cv2.GaussianBlur(BOX, (0, 0), 1))
    return tmp_path


def kept(verb: str, place: Path, **arguments: object) -> list[tuple[str, object]]:
    result = getattr(curate, verb)(out=place / "made", workers=0, quiet=True, **arguments)
    return list(result.data["settings"].items())


def test_portrait2000_keeps_its_settings(place: Path) -> None:
    assert kept("portrait2000", place, root=place / "portraits", trimap_kernel="none") == [
        ("root", str(place / "portraits")),
        ("threshold", 127),
        ("trimap_kernel", "none"),
        ("label_frame", None),
        ("verify", "full"),
        ("limit", None),
    ]


def test_pairs_keeps_its_settings_and_those_that_came_later_where_they_are_used(place: Path) -> None:
    given = {"images": place / "images", "masks": place / "masks", "limit": 5, "label_prefix": "", "group_by": r"\d+"}
    assert kept("pairs", place, **given) == [
        ("images", str(place / "images")),
        ("masks", str(place / "masks")),
        ("alphas", None),
        ("source", None),
        ("split", None),
        ("license", None),
        ("threshold", 50),
        ("trimap_kernel", "none"),
        ("fit", False),
        ("label_frame", None),
        ("verify", "full"),
        ("limit", 5),
        ("group_by", r"\d+"),
    ]


def test_images_keeps_its_settings_and_what_is_known_of_them_as_use(place: Path) -> None:
    assert kept("images", place, root=place / "images", as_="background", follow_links=[place]) == [
        ("root", str(place / "images")),
        ("use", "background"),
        ("source", None),
        ("split", None),
        ("license", None),
        ("group_by", None),
        ("verify", "full"),
        ("limit", None),
        ("follow_links", [str(place)]),
    ]
