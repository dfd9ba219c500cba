"""Settings of `coco-person` that make no sense."""

from pathlib import Path
from typing import Any

import pytest

from curation.errors import ConfigurationProblem
from curation.sources.coco import plan_persons
from tests.curation.sources.coco.test_persons import LARGE, person, write


@pytest.mark.parametrize(
    "changes",
    [
        {"min_area": -0.1},
        {"min_area": 1.1},
        {"min_area": float("nan")},
        {"max_persons": 0},
        {"portrait": True},
        {"keypoints": (Path("k.json"),)},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationProblem):
        plan_persons(write(tmp_path, [[person(LARGE)]], **changes))
