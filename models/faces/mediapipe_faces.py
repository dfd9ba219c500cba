"""Faces by MediaPipe's networks: two detectors, the mesh with its chin, and the lids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from curation.images.faces import Face
from curation.images.pixels import Image
from curation.storage.files import sha256_of
from models.faces.blazeface import FULL_RANGE, SHORT_RANGE, BlazeFace, Seen, overlap
from models.faces.eyelids import Eyelids
from models.faces.face_mesh import FaceMesh, face_of
from models.faces.network import Network
from models.faces.network_files import FULL, IRIS, MESH, NAME, SHORT

READ_AS: Final = b"1"
"""Goes up when the same networks are read in another way."""
LEAST_MESH: Final = 0.5
"""Of the mesh's own confidence; what has less is no face."""
SAME: Final = 0.3
"""Intersection over union from which what two detectors see is one face."""


class MediaPipeFaces:
    """Faces of any size: the detector for near ones finds those that fill the frame, the other those further away."""

    name = NAME

    def __init__(self, networks: Mapping[str, Network], *, sha256: str) -> None:
        self.sha256 = sha256
        self._near = BlazeFace(networks[SHORT], anchors=SHORT_RANGE)
        self._far = BlazeFace(networks[FULL], anchors=FULL_RANGE)
        self._mesh = FaceMesh(networks[MESH])
        self._lids = Eyelids(networks[IRIS])

    def find(self, image: Image) -> list[Face]:
        """Return the faces in an image (h, w, 3) uint8 RGB, the largest first."""
        seen = self._near.find(image)
        seen += [one for one in self._far.find(image) if not _is_known(one, known=seen)]
        faces = []
        for one in seen:
            mesh = self._mesh.find(image, face=one)
            if mesh.confidence >= LEAST_MESH:
                openness = self._lids.openness(image, mesh=mesh)
                faces.append(face_of(mesh, confidence=one.confidence, openness=openness))
        return sorted(faces, key=lambda face: face.box[1] - face.box[3])


def sha256_of_all(hashes: Mapping[str, str]) -> str:
    """Return one hash for the files of the networks, by name, and for how they are read."""
    return sha256_of(READ_AS + "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes)).encode())


def _is_known(one: Seen, *, known: list[Seen]) -> bool:
    return any(overlap(one.box, other.box) > SAME for other in known)
