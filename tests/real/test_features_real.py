"""The features of a real network, from its checked graph, for real portraits."""

from __future__ import annotations

import numpy as np
import pytest

from models.prediction.features import image_features
from models.prediction.prepare import prepare
from models.prediction.protocol import EngineOptions
from tests.places import REAL_DATA

GRAPH = REAL_DATA / "models" / "sinet.onnx"
IMAGES = REAL_DATA / "data" / "portraits" / "images"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not (GRAPH.is_file() and IMAGES.is_dir()),
        reason=f"no {GRAPH} or {IMAGES}; set CURATE_REAL_DATA to the folder of real data",
    ),
]


def test_features_of_real_portraits_are_finite_and_differ() -> None:
    model = prepare(GRAPH, options=EngineOptions(device="cpu", workers=1))
    names = sorted(path.name for path in IMAGES.iterdir())[:6]
    found = image_features(model, images=[(IMAGES, name) for name in names], threads=1)
    # the encoder of SINet is smallest where its blocks pool to a 32nd of 320 pixels, with 48 channels
    assert found.shape == (6, 48) and np.isfinite(found).all()
    assert len(np.unique(found, axis=0)) == 6
    again = image_features(model, images=[(IMAGES, names[2])], threads=1)
    np.testing.assert_allclose(again[0], found[2], rtol=1e-5)
