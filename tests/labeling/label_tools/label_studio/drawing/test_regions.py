"""Whatever tool a person was drawn with: its pixels are in the mask, or the task is set aside and says why."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from curation.images.pixels import encode_image, encode_mask
from curation.quarantine import BadRecord
from labeling.label_tools.label_studio.drawing.regions import Frame
from labeling.label_tools.label_studio.project.label_config import unread_tools
from labeling.label_tools.label_studio.project.tasks import region_of
from labeling.label_tools.label_studio.pull.read_annotations import Reading, labels_in, read_annotations, submitted_of

HEIGHT, WIDTH = 40, 60
FIXED = {"type": "choices", "from_name": "verdict", "to_name": "image", "value": {"choices": ["fixed"]}}


def region(tool: str, *, labels: tuple[str, ...] = ("person",), **values: Any) -> dict[str, Any]:
    """Return a region of a tool with labels, as the page sends it."""
    told = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0, "to_name": "image"}
    top = {name: values.pop(name) for name in list(values) if name in told or name in {"item_index", "id"}}
    return {"type": tool, "from_name": "tool", "value": values | ({tool: list(labels)} if labels else {})} | told | top


def read(*results: dict[str, Any], **options: Any) -> Reading:
    annotation = {"id": 5, "updated_at": "2026-01-01T00:00:00Z", "completed_by": 1, "result": [*results, FIXED]}
    reading = read_annotations([annotation], frame=Frame(height=HEIGHT, width=WIDTH, name="task 3"), **options)
    assert reading is not None
    return reading


def filled(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[rows, columns] = 255
    return mask


def bitmask(mask: np.ndarray) -> str:
    """Return the address that the page makes of a canvas: black where something is drawn, transparent elsewhere."""
    picture = np.dstack([np.zeros((*mask.shape, 3), np.uint8), mask])
    return address(encode_image(picture))


def address(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


LEFT = filled(slice(10, 30), slice(6, 30))  # 10 % to 50 % of 60 pixels, 25 % to 75 % of 40
SHAPES = {
    "polygonlabels": {"points": [[10, 25], [50, 25], [50, 75], [10, 75]], "closed": True},
    "rectanglelabels": {"x": 10, "y": 25, "width": 40, "height": 50, "rotation": 0},
    "bitmasklabels": {"imageDataURL": bitmask(LEFT)},
    "brushlabels": {"format": "rle", "rle": region_of(LEFT)["value"]["rle"]},  # type: ignore[index]
}


@pytest.mark.parametrize("tool", SHAPES)
def test_a_region_is_drawn_whatever_the_tool_is_called(tool: str) -> None:
    assert np.array_equal(read(region(tool, **SHAPES[tool])).mask, LEFT)


def test_an_ellipse_is_measured_in_percent_of_both_sides() -> None:
    mask = read(region("ellipselabels", x=50, y=50, radiusX=20, radiusY=30, rotation=0)).mask
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    halves = (2 * rows + 1 - HEIGHT) ** 2 + (2 * columns + 1 - WIDTH) ** 2
    assert mask is not None
    assert np.array_equal(mask > 0, halves <= (2 * 12) ** 2)  # 12 pixels to each side


def test_regions_of_several_tools_are_united() -> None:
    second = region_of(filled(slice(0, 4), slice(50, 60)))
    assert second is not None
    mask = read(
        region("brushlabels", **SHAPES["brushlabels"]),
        {**second, "from_name": "sam"},
        region("rectanglelabels", x=0, y=90, width=100, height=10),
    ).mask
    truth = LEFT | filled(slice(0, 4), slice(50, 60)) | filled(slice(36, 40), slice(0, 60))
    assert np.array_equal(mask, truth)


def test_a_label_may_stand_beside_a_plain_tool() -> None:
    """The tags Polygon and Labels give two entries of one region."""
    value = SHAPES["polygonlabels"]
    shape = region("polygon", labels=(), id="a1", **value)
    named = region("labels", id="a1", **value)
    said = {"type": "textarea", "from_name": "why", "to_name": "image", "id": "a1", "value": {"text": ["torn"]}}
    assert np.array_equal(read(shape, named, said, {"type": "relation", "from_id": "a1", "to_id": "a1"}).mask, LEFT)


def test_of_several_labels_one_of_a_person_counts_and_what_is_none_is_left_out() -> None:
    both = region("polygonlabels", labels=("hat", "person"), **SHAPES["polygonlabels"])
    dog = region("rectanglelabels", labels=("dog",), x=0, y=90, width=100, height=10)
    nose = region("keypointlabels", labels=("nose",), x=1, y=1, width=1)
    assert np.array_equal(read(both, dog, nose).mask, LEFT)
    annotation = {"id": 1, "updated_at": "2026-01-01T00:00:00Z", "result": [both, dog, nose]}
    assert labels_in(submitted_of([annotation]), persons=frozenset({"person"})) == {"dog", "nose"}
    assert np.array_equal(read(dog, persons=frozenset({"person", "dog"})).mask, filled(slice(36, 40), slice(0, 60)))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (region("keypointlabels", x=1, y=1, width=1), "a region of type keypointlabels is not read"),
        (region("vectorlabels", vertices=[]), "a region of type vectorlabels is not read"),
        (region("videorectangle", labels=(), sequence=[]), "a region of type videorectangle is not read"),
        (region("labels", points=[]), "a region of type labels is not read"),
        (region("hologramlabels"), "a region of type hologramlabels is not read"),
        (region("polygon", labels=(), **SHAPES["polygonlabels"]), "a region of type polygon carries no label"),
        (region("polygonlabels", points=[[0, 0], [9, 9], [0, 9]], closed=False), "a polygon is not closed"),
        (region("polygonlabels", points=[[0, 0], [9, 9]]), "length >= 3"),
        (region("polygonlabels", points=[[0, 0], [9, 9], [0, 1e300]]), "<= 10000"),
        (region("polygonlabels", points=[[0, 0], [9, 9], "ab"]), r"points\[2\]"),
        (region("polygonlabels", points=[[0, 0], [9, 9], [1]]), r"points\[2\]"),
        (region("ellipselabels", x=1, y=1, radiusX=1), "radiusY"),
        (region("rectanglelabels", x=1, y=1, width="1", height=2), r"\$.width"),
        (region("rectanglelabels", x=1, y=1, width=1, height=2, image_rotation=90), "turned by 90"),
        (region("rectanglelabels", x=1, y=1, width=1, height=2, original_width=61), "61 x 40; the image is 60 x 40"),
        (region("rectanglelabels", x=1, y=1, width=1, height=2, to_name="other"), "'other'"),
        (region("rectanglelabels", x=1, y=1, width=1, height=2, item_index=1), "picture 1"),
        (region("polygonlabels", labels=(7,), points=[[0, 0], [9, 9], [0, 9]]), "malformed"),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_read_sets_the_task_aside_though_the_brush_is_sound(bad: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRecord, match=said) as caught:
        read(region("brushlabels", **SHAPES["brushlabels"]), bad)
    assert str(caught.value.code) == "REGION"
    assert caught.value.file == "task 3"


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(height: int, width: int) -> bytes:
    """Return a PNG of a few kilobytes that claims this size, RGBA."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(1_000_000), 9))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + png_chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("address_", "said"),
    [
        ("https://elsewhere.example.org/mask.png", "no PNG in base64"),
        ("file:///etc/passwd", "no PNG in base64"),
        ("data:image/png;base64,", "empty"),
        ("data:image/png;base64,!!!!", "base64|Only"),
        (address(b"no picture"), "the bitmask"),
        (address(encode_image(np.zeros((HEIGHT, WIDTH, 3), np.uint8), quality=90), "image/jpeg"), "no PNG"),
        (address(encode_image(np.zeros((HEIGHT, WIDTH, 3), np.uint8), quality=90)), "a JPEG of 60 x 40"),
        (address(encode_image(np.zeros((WIDTH, HEIGHT, 4), np.uint8))), "a PNG of 40 x 60; the image is 60 x 40"),
        (address(encode_mask(LEFT)), "without alpha"),
        (address(bomb(7_000, 9_000)), "9000 x 7000"),
        (address(bomb(60_000, 60_000)), "the bitmask"),
        (address(bomb(HEIGHT, WIDTH)[:60]), "the bitmask"),
        (7, "str"),
    ],
)
def test_a_hostile_bitmask_is_refused_before_it_is_unpacked(address_: Any, said: str) -> None:
    with pytest.raises(BadRecord, match=said):
        read(region("bitmasklabels", imageDataURL=address_))


def test_a_shape_that_covers_no_pixel_is_not_called_nothing() -> None:
    with pytest.raises(BadRecord, match=r"what is drawn \(1 regions\) covers no pixel"):
        read(region("ellipselabels", x=50, y=50, radiusX=0.1, radiusY=0.1))


def test_a_project_names_the_tools_that_are_not_read() -> None:
    tags = ("BrushLabels", "Polygon", "Labels", "MagicWand", "Choices", "TextArea", "VectorLabels", "KeyPoint", "Chat")
    controls = {f"tool{number}": {"type": tag} for number, tag in enumerate(tags)}
    assert unread_tools(controls) == ["tool6 (VectorLabels)", "tool7 (KeyPoint)", "tool8 (Chat)"]
