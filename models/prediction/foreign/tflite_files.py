"""What a TFLite file says of the numbers that it takes and gives: how far they are from those that are meant.

Source: tensorflow/lite/schema/schema.fbs, of which these are the places of fields; the layout of tables and vectors is
that of FlatBuffers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.errors import InputRefused
from models.model_files import TFLITE_MARK, TFLITE_MARK_AT

SUBGRAPHS, TENSORS, INPUTS, OUTPUTS = 2, 0, 1, 2
NAME, QUANTISATION, SCALE, ZERO_POINT = 3, 4, 2, 3
RESTORE: Final = "restore the file from where it came, or convert the model again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output: its name, and where its whole numbers q stand for others, these are `scale * (q - zero)`."""

    name: str
    scale: float | None = None
    zero: int = 0


def ends_of_tflite(data: bytes, *, file: Path) -> tuple[list[Tensor], list[Tensor]]:
    """Return the inputs and the outputs of a TFLite file. Raises InputRefused where it is none, or cut off."""
    if data[TFLITE_MARK_AT] != TFLITE_MARK:
        reason = f"not a TFLite file: it does not hold {TFLITE_MARK.decode()} where such files do"
        raise InputRefused(reason, where=file, remedy=RESTORE)
    try:
        reader = _Reader(data)
        graphs = reader.vector(reader.field(reader.follow(0), SUBGRAPHS))
        graph = reader.follow(graphs[0])
        tensors = reader.vector(reader.field(graph, TENSORS))
        ends = [[reader.int32(at) for at in reader.vector(reader.field(graph, which))] for which in (INPUTS, OUTPUTS)]
        taken, given = ([_tensor(reader, reader.follow(tensors[index])) for index in indices] for indices in ends)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        reason = f"not a whole TFLite file: its {len(data):,} bytes tell of places beyond their end, or of no text"
        raise InputRefused(reason, where=file, remedy=RESTORE) from error
    return taken, given


def _tensor(reader: _Reader, table: int) -> Tensor:
    name = reader.text(reader.field(table, NAME)).removesuffix(":0")  # as OpenVINO's are named here
    if not (told := reader.field(table, QUANTISATION)):
        return Tensor(name=name)
    quantisation = reader.follow(told)
    scales = reader.vector(reader.field(quantisation, SCALE))
    zeros = reader.vector(reader.field(quantisation, ZERO_POINT), width=8)
    if len(scales) != 1 or not (scale := reader.float32(scales[0])) > 0:
        return Tensor(name=name)
    return Tensor(name=name, scale=scale, zero=reader.int64(zeros[0]) if zeros else 0)


class _Reader:
    """Numbers, tables and vectors at places of a file; raises struct.error beyond its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def int32(self, at: int) -> int:
        return int(struct.unpack_from("<i", self._data, at)[0])

    def int64(self, at: int) -> int:
        return int(struct.unpack_from("<q", self._data, at)[0])

    def float32(self, at: int) -> float:
        return float(struct.unpack_from("<f", self._data, at)[0])

    def follow(self, at: int) -> int:
        """Return the place that the offset at a place leads to."""
        return at + int(struct.unpack_from("<I", self._data, at)[0])

    def field(self, table: int, number: int) -> int:
        """Return where a field of a table lies; 0 where it is left out."""
        layout = table - self.int32(table)
        length, *_ = struct.unpack_from("<H", self._data, layout)
        place = 4 + 2 * number
        offset = struct.unpack_from("<H", self._data, layout + place)[0] if place < length else 0
        return table + offset if offset else 0

    def vector(self, at: int, *, width: int = 4) -> range:
        """Return the places of the elements of a vector; none where the field is left out."""
        if not at:
            return range(0)
        start = self.follow(at)
        number = int(struct.unpack_from("<I", self._data, start)[0])
        if start + 4 + number * width > len(self._data):
            raise IndexError("a vector is longer than the file")
        return range(start + 4, start + 4 + number * width, width)

    def text(self, at: int) -> str:
        if not at:
            return ""
        found = self.vector(at, width=1)
        return self._data[found.start : found.stop].decode("utf-8")
