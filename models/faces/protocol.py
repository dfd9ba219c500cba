"""What finds faces, whatever model it is made of."""

from __future__ import annotations

from typing import Protocol

from curation.images.faces import Face
from curation.images.pixels import Image


class FaceFinder(Protocol):
    """One or more models that find faces. `sha256` stands for all their weights and for how they are read."""

    name: str
    sha256: str

    def find(self, image: Image) -> list[Face]:
        """Return the faces in an image (h, w, 3) uint8 RGB, the largest first."""
