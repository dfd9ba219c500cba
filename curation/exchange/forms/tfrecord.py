"""TFRecord: `<set>-00000-of-00003.tfrecord` of `tf.train.Example`, with the feature names of DeepLab's data sets.

`image/segmentation/class/encoded` is a PNG of class numbers: 0 background, 1 person, 255 not labelled, which DeepLab
ignores. Other labels travel as `image/<column>/encoded` (such as `image/alpha/encoded`), the id as `image/id`.
Sources: TensorFlow, "TFRecord and tf.train.Example" (framing: length, masked CRC-32C, data, masked CRC-32C); Protocol
Buffers, "Encoding"; DeepLab, `datasets/build_data.py` (names of features and files).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from curation.exchange.crc32c import crc32c
from curation.exchange.form import Conversion, Part, Placed
from curation.exchange.travelling import WITHOUT_WEBP, Rules, Travelling
from curation.images.written_png import png_of
from curation.storage.streamed_file import streamed_file

PERSON: Final = 1
IGNORED: Final = 255
MASK_DELTA: Final = 0xA282EAD8
"""Added to a rotated CRC, so that a record that holds records has not the CRC of these."""
BYTES_LIST, INT64_LIST = 1, 3
"""Field numbers of `tf.train.Feature`."""
LENGTH_DELIMITED: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TfRecord:
    """The form `tfrecord`. TensorFlow decodes JPEG and PNG; WebP travels as PNG."""

    samples_per_part: int
    rules: Rules = WITHOUT_WEBP
    name: str = "tfrecord"
    folders: tuple[str, ...] = ()

    def place(self, sample: Travelling, *, folder: Path) -> Placed:
        """Return the framed record of one sample."""
        height, width = sample.size
        features: dict[str, bytes | int] = {
            "image/id": sample.id.encode(),
            "image/filename": sample.image_name.encode(),
            "image/encoded": sample.image,
            "image/format": sample.format.lower().encode(),
            "image/height": height,
            "image/width": width,
            "image/channels": sample.channels,
        }
        if sample.mask is not None:
            classes = np.where(sample.mask > 0, np.uint8(PERSON), np.uint8(0))
            if sample.ignored is not None:
                classes[sample.ignored & (sample.mask == 0)] = IGNORED
            features["image/segmentation/class/encoded"] = png_of(classes)
            features["image/segmentation/class/format"] = b"png"
        for column, data in sample.labels.items():
            if column != "mask":
                features[f"image/{column}/encoded"] = data
                features[f"image/{column}/format"] = sample.suffixes[column].removeprefix(".").encode()
        paths = {"image": sample.image_name, **{column: f"image/{column}/encoded" for column in sample.labels}}
        return Placed(paths=paths, record=framed(example_of(features)))

    @contextmanager
    def writing(self, part: Part, *, folder: Path) -> Iterator[Callable[[Any], object]]:
        """Write the records of one shard."""
        name = f"{part.set}-{part.number:05d}-of-{part.of:05d}.tfrecord"
        with streamed_file(folder / name) as stream:
            yield stream.write

    def finish(self, conversion: Conversion, *, folder: Path) -> None:
        """Nothing speaks of all samples."""

    def way_back(self, folder: Path, *, sets: Mapping[str, int]) -> str:
        """Return nothing: no command reads it."""
        return ""


def framed(data: bytes) -> bytes:
    """Return one record of a TFRecord file."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", _masked(crc32c(length))) + data + struct.pack("<I", _masked(crc32c(data)))


def example_of(features: Mapping[str, bytes | int]) -> bytes:
    """Return a serialised `tf.train.Example`; equal features give equal bytes, whatever their order.

    >>> example_of({"a": 1}).hex()
    '0a0c0a0a0a016112051a030a0101'
    """
    entries = []
    for name in sorted(features):
        value = features[name]
        if isinstance(value, int):
            feature = _field(INT64_LIST, _field(1, _varint(value)))  # packed
        else:
            feature = _field(BYTES_LIST, _field(1, value))
        entries.append(_field(1, _field(1, name.encode()) + _field(2, feature)))
    return _field(1, b"".join(entries))


def _masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Return a number from 0 on, seven bits a byte, the lowest first."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
