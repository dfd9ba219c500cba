"""Pictures kept in memory between epochs, for all processes that load: each image is decoded and resized once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import torch
from isal import isal_zlib

from curation.images.pixels import Image
from models.data.read_labels import AnyLabel

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - only looked at, for the room that is left
SHARE_OF_ROOM: Final = 0.25
"""Of what shared memory has left, and of the memory of the machine: the training and its files need some too."""
COLOUR_BYTES: Final = 3
"""Of a pixel: red, green and blue. Those of its label come on top."""
IS_THERE: Final = 1 << 32
"""Beside a checksum, so that one of 0 is not taken for an empty place."""


class KeptPictures:
    """Places for the pictures of the first samples, as many as there is room for; the others are never kept.

    Processes write and read without a lock. A place counts only when its checksum fits, so one that is being written
    is as good as empty. All who write a place write the same.
    """

    def __init__(
        self, samples: int, *, size: tuple[int, int], room: int, label_type: torch.dtype = torch.uint8
    ) -> None:
        height, width = size
        places = min(samples, room // ((COLOUR_BYTES + label_type.itemsize) * height * width))
        self._images = _shared(torch.empty((places, height, width, 3), dtype=torch.uint8))
        self._labels = _shared(torch.empty((places, height, width), dtype=label_type))
        self._checksums = _shared(torch.zeros(places, dtype=torch.int64))

    def __len__(self) -> int:
        """Return the number of samples for which there is room."""
        return len(self._checksums)

    def get(self, index: int) -> tuple[Image, AnyLabel] | None:
        """Return the picture of a sample, if it was kept; it is the caller's own."""
        if index >= len(self) or not (expected := int(self._checksums[index])):
            return None
        image, label = self._images[index].numpy().copy(), self._labels[index].numpy().copy()
        return (image, label) if _checksum(image, label) == expected else None

    def put(self, index: int, *, image: Image, label: AnyLabel) -> None:
        """Keep the picture of a sample, if there is room for it."""
        if index < len(self):
            self._images[index].numpy()[:] = image
            self._labels[index].numpy()[:] = label
            self._checksums[index] = _checksum(image, label)


def room_to_keep() -> int:
    """Return the bytes that kept pictures may take on this machine; 0 where there is no shared memory to look at."""
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:
        return 0
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(SHARE_OF_ROOM * min(status.f_bavail * status.f_frsize, machine))


def _checksum(image: Image, label: AnyLabel) -> int:
    return IS_THERE | isal_zlib.crc32(label, isal_zlib.crc32(image))


def _shared(tensor: torch.Tensor) -> torch.Tensor:
    shared: torch.Tensor = tensor.share_memory_()  # type: ignore[no-untyped-call]
    return shared
