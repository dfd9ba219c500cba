from __future__ import annotations

import numpy as np
import pytest

from labeling.label_tools.label_studio.project.tasks import prediction_of
from labeling.label_tools.label_studio.push import second_opinion
from labeling.label_tools.label_studio.push.second_opinion import sdk_objections


def mask() -> np.ndarray:
    found = np.zeros((9, 12), np.uint8)
    found[2:5, 2:7] = 255
    return found


def test_the_sdk_has_nothing_against_what_we_send() -> None:
    assert sdk_objections(prediction_of(mask(), model_version="m", score=0.5)) == []
    assert sdk_objections(prediction_of(np.zeros((9, 12), np.uint8), model_version="m", score=None)) == []


def test_the_sdk_objects_to_a_label_that_the_config_lacks() -> None:
    strange = prediction_of(mask(), model_version="m", score=0.5)
    strange["result"][0]["value"]["brushlabels"] = ["dog"]
    assert any("dog" in objection for objection in sdk_objections(strange))


def test_the_sdk_objects_to_a_config_whose_brush_paints_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = second_opinion.CONFIG.replace('toName="image"', 'toName="nothing"')
    monkeypatch.setattr(second_opinion, "CONFIG", broken)
    assert sdk_objections(prediction_of(mask(), model_version="m", score=0.5)) == ["the label config is not valid"]
