"""Light by the face on real portraits: a cast that is planted becomes smaller, on dark and on light skin alike."""

from __future__ import annotations

import numpy as np
import pytest

from models.faces import packaged
from models.faces.mediapipe_faces import MediaPipeFaces
from tests.bench.id_photos import PORTRAITS
from tests.bench.lights import PLANTED, left
from tests.real.faces_at_hand import HAS_FACES

DARK = ("02349", "02438", "02439", "02500", "02565", "02615")
LIGHT = ("02326", "02380", "02478", "02540", "02590", "02614", "02620", "02607")
pytestmark = [
    pytest.mark.skipif(not PORTRAITS.is_dir(), reason="no real portraits here"),
    pytest.mark.skipif(not HAS_FACES, reason="the models of faces are not installed; set CURATE_INSTALL_FACES=1"),
]


@pytest.fixture(scope="module")
def finder() -> MediaPipeFaces:
    return packaged.packaged_faces(tell=lambda _: None)


@pytest.mark.parametrize("names", [DARK, LIGHT], ids=["dark skin", "light skin"])
def test_what_is_left_of_a_planted_light_is_less(names: tuple[str, ...], finder: MediaPipeFaces) -> None:
    files = [PORTRAITS / "images" / f"{name}.jpg" for name in names]
    for planted in ("warm", "green"):
        rows = [row for row in left(files, factors=PLANTED[planted], finder=finder) if row.is_white_seen]
        assert len(rows) >= len(names) - 3, planted
        assert all(after < before for before, after in (row.hue for row in rows)), planted
        before, after = np.median([row.hue for row in rows], axis=0)
        assert after < 0.75 * before, planted
    dim = list(left(files, factors=PLANTED["a third of the light"], finder=finder))
    before, after = np.mean([row.stops for row in dim], axis=0)
    assert after < before - 0.4 and all(row.stops[1] < row.stops[0] + 0.1 for row in dim)
