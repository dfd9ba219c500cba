"""What Label Studio's own SDK says of our label config and of our pre-annotations. The only file that imports it.

Tasks are sent and read over HTTP by `client`: the SDK repeats a POST that failed, which doubles tasks, and reads an
annotation slower.
"""

from __future__ import annotations

from typing import Any

from labeling.label_tools.label_studio.project.label_config import CONFIG


def sdk_objections(prediction: dict[str, Any]) -> list[str]:
    """Return what the SDK finds wrong with our label config, or with a pre-annotation for it; nothing when both fit."""
    from label_studio_sdk.label_interface.interface import LabelInterface  # here, since it takes seconds

    interface: Any = LabelInterface(CONFIG)
    if not interface.is_valid:
        return ["the label config is not valid"]
    return [f"the pre-annotation: {reason}" for reason in interface.validate_prediction(prediction, return_errors=True)]
