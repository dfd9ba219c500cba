"""The environment in which TFLite files are written and run: LiteRT's converter needs another torch than ours."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from curation.storage.own_environment import OwnEnvironment

LITERT: Final = OwnEnvironment(
    name="LiteRT's converter",
    folder_name="tflite-1",
    requirements=Path(__file__).with_name("requirements.lock"),
    cost="about 6 GB with torch, a few minutes",
    remedy="it needs the package index, 6 GB and Linux x86-64. Or export with --to onnx, which ONNX Runtime runs on "
    "phones too",
)
