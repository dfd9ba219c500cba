"""The regions of an annotation: which of them are of a person, and the pixels that each covers."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Meta

from curation.images.header import inspect
from curation.images.pixels import Mask, decode_alpha
from curation.quarantine import BadRecord, Code
from labeling.label_tools.label_studio.drawing.brush import ALPHA_ON, decode_brush
from labeling.label_tools.label_studio.drawing.shapes import Points, ellipse_mask, polygon_mask, rectangle_corners
from labeling.label_tools.label_studio.project.label_config import DRAWN, IMAGE, LABELS, SAID, tool_of

MAX_POINTS: Final = 100_000
Percent = Annotated[float, Meta(ge=-10_000, le=10_000)]
"""Of the width or the height of the picture; a shape may reach out of it, but not this far."""
Degrees = Annotated[float, Meta(ge=-36_000, le=36_000)]
PNG: Final = "data:image/png;base64,"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The picture of a task: its size as displayed, and its name for errors."""

    height: int
    width: int
    name: str


class Region(msgspec.Struct, frozen=True):
    """One entry of an annotation's result: a region, or something that is said of one or of the picture."""

    type: str
    value: dict[str, Any] = {}
    id: str | int | None = None
    from_name: str = ""
    to_name: str = ""
    original_width: float | None = None
    original_height: float | None = None
    image_rotation: float | None = None
    item_index: int | None = None


class Brush(msgspec.Struct, frozen=True):
    """Run lengths; what the eraser took away is no part of them."""

    format: Literal["rle"]
    rle: list[int]


class Bitmask(msgspec.Struct, frozen=True, rename={"address": "imageDataURL"}):
    """A picture in the size of the task's, transparent where nothing is drawn."""

    address: str


class Polygon(msgspec.Struct, frozen=True):
    """Corners (x, y); `closed` is false while the last one is not joined to the first."""

    points: Annotated[list[tuple[Percent, Percent]], Meta(min_length=3, max_length=MAX_POINTS)]
    closed: bool = True


class Ellipse(msgspec.Struct, frozen=True, rename={"radius_x": "radiusX", "radius_y": "radiusY"}):
    """A middle, two radii, and a turn about the middle, clockwise."""

    x: Percent
    y: Percent
    radius_x: Percent
    radius_y: Percent
    rotation: Degrees = 0.0


class Rectangle(msgspec.Struct, frozen=True):
    """A corner, width and height, and a turn about that corner, clockwise."""

    x: Percent
    y: Percent
    width: Percent
    height: Percent
    rotation: Degrees = 0.0


def regions_of(result: Sequence[Any] | None, *, name: str) -> list[Region]:
    """Return the entries of an annotation's result. Raises BadRecord: REGION for one that has not the form of any."""
    return _converted(result or [], kind=list[Region], code=Code.REGION, name=name)


def labels_of(regions: Sequence[Region], *, name: str) -> list[tuple[Region, frozenset[str]]]:
    """Return each region that somebody drew, with its labels; what is only said of one is no region.

    Labels stand in the region, or (tag `Labels`) in an entry of their own with the region's id.
    Raises BadRecord: REGION for labels that are no texts.
    """
    labels: defaultdict[object, set[str]] = defaultdict(set)
    keys: list[object] = [(number,) if region.id is None else region.id for number, region in enumerate(regions)]
    for key, region in zip(keys, regions, strict=True):
        found = region.value.get(region.type, ()) if region.type.endswith(LABELS) else ()
        labels[key].update(_converted(found, kind=list[str], code=Code.REGION, name=name))
    shapes = [tool_of(region.type) not in SAID | {LABELS} for region in regions]
    drawn = {key for key, is_shape in zip(keys, shapes, strict=True) if is_shape}
    return [
        (region, frozenset(labels[key]))
        for key, region, is_shape in zip(keys, regions, shapes, strict=True)
        if is_shape or (region.type == LABELS and key not in drawn)
    ]


def draw(region: Region, *, frame: Frame) -> Mask:
    """Return the pixels of one region.

    Raises BadRecord: BRUSH_RLE, or REGION, for what is malformed, of another size, or of a type that is not read.
    """
    tool = tool_of(region.type)
    code = Code.BRUSH_RLE if tool == "brush" else Code.REGION
    if (drawer := DRAWERS.get(tool)) is None:
        raise BadRecord(Code.REGION, f"a region of type {region.type} is not read", file=frame.name, field="type")
    if (region.to_name or IMAGE) != IMAGE or region.item_index:
        where = f"{region.to_name!r}, picture {region.item_index or 0}"
        raise BadRecord(code, f"the {tool} is drawn on {where}, not on ours", file=frame.name, field="to_name")
    height, width = region.original_height, region.original_width
    if height != frame.height or width != frame.width or region.image_rotation:
        turned = f", turned by {region.image_rotation:g}" if region.image_rotation else ""
        reason = f"the {tool} is for {_pixels(width)} x {_pixels(height)}{turned}; "
        reason += f"the image is {frame.width} x {frame.height}"
        raise BadRecord(code, reason, file=frame.name, field="original_width,original_height")
    return drawer(region.value, frame)


def unlabelled(region: Region, *, frame: Frame) -> BadRecord:
    """Return the error for a region of which nobody said what it is."""
    is_read = tool_of(region.type) in DRAWN
    reason = "carries no label" if is_read else "is not read"
    return BadRecord(Code.REGION, f"a region of type {region.type} {reason}", file=frame.name, field="type")


def _brush(value: Mapping[str, Any], frame: Frame) -> Mask:
    brush = _converted(value, kind=Brush, code=Code.BRUSH_RLE, name=frame.name)
    return decode_brush(brush.rle, height=frame.height, width=frame.width, file=frame.name)


def _bitmask(value: Mapping[str, Any], frame: Frame) -> Mask:
    """Read the picture of a bitmask: its header first, so that no larger one is ever unpacked."""
    address = _converted(value, kind=Bitmask, code=Code.REGION, name=frame.name).address
    try:
        if not address.startswith(PNG):
            raise BadRecord(Code.FORMAT, "it is no PNG in base64")
        data = base64.b64decode(address.removeprefix(PNG), validate=True)
        header = inspect(data, file=frame.name)
        if (header.format, header.height, header.width) != ("PNG", frame.height, frame.width):
            told = f"a {header.format} of {header.width} x {header.height}"
            raise BadRecord(Code.SIZE_MISMATCH, f"it is {told}; the image is {frame.width} x {frame.height}")
        alpha = decode_alpha(data, file=frame.name)
    except (BadRecord, binascii.Error) as error:
        raise BadRecord(Code.REGION, f"the bitmask: {error}", file=frame.name, field="imageDataURL") from error
    return np.where(alpha >= ALPHA_ON, np.uint8(255), np.uint8(0))


def _polygon(value: Mapping[str, Any], frame: Frame) -> Mask:
    polygon = _converted(value, kind=Polygon, code=Code.REGION, name=frame.name)
    if not polygon.closed:
        raise BadRecord(Code.REGION, "a polygon is not closed", file=frame.name, field="closed")
    return polygon_mask(_scaled(polygon.points, frame), height=frame.height, width=frame.width)


def _ellipse(value: Mapping[str, Any], frame: Frame) -> Mask:
    ellipse = _converted(value, kind=Ellipse, code=Code.REGION, name=frame.name)
    (x, y), (radius_x, radius_y) = _scaled([(ellipse.x, ellipse.y), (ellipse.radius_x, ellipse.radius_y)], frame)
    size = {"height": frame.height, "width": frame.width}
    return ellipse_mask(x=x, y=y, radii=(radius_x, radius_y), degrees=ellipse.rotation, **size)


def _rectangle(value: Mapping[str, Any], frame: Frame) -> Mask:
    told = _converted(value, kind=Rectangle, code=Code.REGION, name=frame.name)
    (x, y), (width, height) = _scaled([(told.x, told.y), (told.width, told.height)], frame)
    corners = rectangle_corners(x=x, y=y, width=width, height=height, degrees=told.rotation)
    return polygon_mask(corners, height=frame.height, width=frame.width)


DRAWERS: Final[Mapping[str, Callable[[Mapping[str, Any], Frame], Mask]]] = {
    "brush": _brush,
    "bitmask": _bitmask,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "rectangle": _rectangle,
}
assert DRAWERS.keys() == DRAWN, "a project warns of tools that are not read"


def _scaled(percents: Sequence[tuple[float, float]], frame: Frame) -> Points:
    """Return points (n, 2) in pixels; multiplied first, so that 30 % of 50 pixels are 15."""
    return np.asarray(percents, dtype=np.float64) * (frame.width, frame.height) / 100


def _pixels(number: float | None) -> str:
    return "?" if number is None else f"{number:g}"


def _converted(value: Any, *, kind: type[T], code: Code, name: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadRecord(code, f"a region is malformed: {error}", file=name) from error
