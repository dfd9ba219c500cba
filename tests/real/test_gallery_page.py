"""The contact sheet in a real browser: it works, stays on the disk, and runs nothing that came with the data."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.building.workers import RunnerOptions
from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, Dataset, read_dataset, write_dataset
from curation.dataset.rows import InMemory
from curation.images.pixels import encode_gray, encode_image, encode_mask
from curation.quarantine import BadRecord, Code
from reports.datasets.gallery import GalleryOptions, write_gallery
from tests.real.page_condition import wait_until

pytestmark = pytest.mark.real
PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'><svg onload=alert(3)>",
    "</script><script>alert(4)</script>",
    "<!--<script>alert(5)</script>-->",
    "javascript:alert(6)",
    "data:text/html,<script>alert(7)</script>",
    "<iframe src='javascript:alert(8)'></iframe>",
    "<img src=https://example.invalid/x.png>",
    "<link rel=stylesheet href=//example.invalid/x.css>",
    "<style>@import 'https://example.invalid/y.css'</style>",
    "<meta http-equiv=refresh content='0;url=https://example.invalid/'>",
    "<base href=https://example.invalid/>",
    "<form action=https://example.invalid/><button autofocus onfocus=alert(9)>",
    "<details open ontoggle=alert(10)>",
    "{{ ''.__class__ }}{% for x in 1 %}",
    "${alert(11)}`;alert(12);`",
    "\\u003cscript\\u003ealert(13)\\u003c/script\\u003e",
    "]]><body onload=alert(14)>",
    "__proto__",
    "constructor",
    "<a href='vbscript:x' onclick=alert(15)>x</a>",
    "\u2028alert(16)\u2029",
]
IDS = [re.sub(r"[/\\]", "|", text) for text in PAYLOADS]
"""The same as names of files, which ids are; ids with slashes are refused."""


def drawn(folder: Path, *, ids: list[str], text: list[str], with_mask: bool = True) -> Dataset:
    """Write a dataset of one drawn picture under many ids; `text` goes into every other text of each row."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    image = encode_image(rng.integers(0, 255, (60, 40, 3), dtype=np.uint8))
    mask = np.zeros((60, 40), np.uint8)
    mask[20:, 10:30] = 255
    (folder / "images/0.png").write_bytes(image)
    (folder / "masks/0.png").write_bytes(encode_mask(mask))
    rows: list[dict[str, Any]] = [
        {
            "id": id_,
            "image": "images/0.png",
            "mask": "masks/0.png" if with_mask else None,
            "width": 40,
            "height": 60,
            "source": words,
            "source_id": words,
            "license": words,
            "split": "train" if number % 2 else None,
            "person_area": ((number * 7) % len(ids)) / len(ids),
            "label_version": 0,
            "group": id_,
            "sha256": sha256(image).hexdigest(),
        }
        for number, (id_, words) in enumerate(zip(ids, text, strict=True))
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA).append_column(text[0], pa.array([0.5] * len(ids)))
    counts = Counts(considered=len(ids), selected=len(ids), filtered={}, quarantined={})
    card = Card(
        name="d", command=text[0], settings={}, tool_version="1", run="r", sources=[], licenses={}, counts=counts
    )
    lines = [BadRecord(Code.NAME, words, file=words, record_id=words).record(stage="test") for words in text]
    write_dataset(folder, card=card, table=table, quarantine=lines)
    return read_dataset(folder)


def sheet(*datasets: Dataset, out: Path) -> Path:
    write_gallery(datasets, out=out, options=GalleryOptions(limit=5000), runner=RunnerOptions(workers=0))
    return out


def test_nothing_that_came_with_the_data_runs_or_is_fetched(
    tmp_path: Path, open_page: Callable[[Path], tuple[Any, list[str]]]
) -> None:
    dataset = drawn(tmp_path / "d", ids=IDS, text=PAYLOADS)
    page, seen = open_page(sheet(dataset, out=tmp_path / "g.html"))
    assert page.locator(".card").count() == len(PAYLOADS)
    for key in "123":
        page.keyboard.press(key)
    page.locator(".stage").first.click()
    names = set()
    for _ in PAYLOADS:
        names.add(page.locator("#close-up-name").text_content())
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.select_option("#sort", PAYLOADS[0])
    page.mouse.wheel(0, 4000)
    assert page.locator(".quarantine tbody tr").count() == len(PAYLOADS)
    assert names == set(IDS)
    assert seen == []


def test_views_sorting_filters_and_the_close_up_do_what_they_say(
    tmp_path: Path, open_page: Callable[[Path], tuple[Any, list[str]]]
) -> None:
    ids = [f"s{number}" for number in range(12)]
    page, seen = open_page(
        sheet(drawn(tmp_path / "d", ids=ids, text=["coco"] * 6 + ["own"] * 6), out=tmp_path / "g.html")
    )

    def shown() -> list[str]:
        names: list[str] = page.locator(".card:not([hidden]) .name").all_text_contents()
        return names

    page.wait_for_selector(".stage path.over", state="attached")
    page.get_by_text("Mask", exact=True).click()
    page.wait_for_selector(".stage path.person", state="attached")
    assert page.locator(".stage path.over").count() == 0
    assert shown() == ids, "numbers inside ids are in their order: s2 before s10"
    page.select_option("#sort", "person area")
    assert shown() == [f"s{number}" for number in sorted(range(12), key=lambda n: -((n * 7) % 12))]
    page.locator("#direction").click()
    assert shown() == [f"s{number}" for number in sorted(range(12), key=lambda n: (n * 7) % 12)]
    page.select_option("#source", "own")
    assert set(shown()) == set(ids[6:])
    page.select_option("#split", "train")
    assert set(shown()) == {"s7", "s9", "s11"}
    page.keyboard.press("Escape")
    page.locator("#find").fill("S9")
    assert shown() == ["s9"]
    assert page.locator("#shown").text_content() == "1 of 12"
    page.locator(".card:not([hidden]) .stage").focus()
    page.keyboard.press("Enter")
    assert page.locator("#close-up figure").count() == 3
    page.keyboard.press("Escape")
    assert page.locator("#dataset").is_hidden(), "there is only one"
    page.locator("#find").fill("no such")
    assert page.locator("#nothing").is_visible()
    told = "No sample matches “no” and “such” and split train and source own."
    assert page.locator("#sought").text_content() == told
    page.get_by_text("Show all samples").click()
    assert page.locator("#nothing").is_hidden()
    assert len(shown()) == 12
    assert seen == []


def test_one_dataset_of_several_can_be_shown_and_an_image_without_a_mask_is_seen_in_every_sheet(
    tmp_path: Path, open_page: Callable[[Path], tuple[Any, list[str]]]
) -> None:
    people = drawn(tmp_path / "people", ids=["p"], text=["x"])
    places = drawn(tmp_path / "places", ids=["b"], text=["x"], with_mask=False)
    page, seen = open_page(sheet(people, places, out=tmp_path / "g.html"))
    assert page.locator("#source").is_hidden()
    page.select_option("#dataset", label="places")
    (card,) = page.locator(".card:not([hidden])").all()
    assert "places" in card.text_content()
    page.wait_for_selector(".card:not([hidden]) .stage img")
    assert card.locator("path").count() == 0
    page.get_by_text("Mask", exact=True).click()
    assert card.locator(".stage").text_content() == "no mask"
    page.select_option("#dataset", label="people")
    page.wait_for_selector(".card:not([hidden]) path.person", state="attached")
    assert seen == []


def test_a_thousand_cards_draw_only_what_is_near_the_window(
    tmp_path: Path, open_page: Callable[[Path], tuple[Any, list[str]]]
) -> None:
    ids = [f"s{number:04}" for number in range(1000)]
    page, seen = open_page(sheet(drawn(tmp_path / "d", ids=ids, text=["x"] * 1000), out=tmp_path / "g.html"))
    page.wait_for_selector(".stage img", state="attached")
    assert page.locator(".card").count() == 1000
    assert page.locator(".stage img").count() < 250
    page.evaluate("document.querySelectorAll('.card')[999].scrollIntoView()")
    page.locator(".card").nth(999).locator("img").wait_for(state="attached")
    assert page.locator(".card").first.locator("img").count() == 0
    assert seen == []


def photographs(folder: Path, *, size: tuple[int, int], ignored: bool = False) -> Dataset:
    """Write two pictures of (height, width), of stripes that are one pixel wide and the file of a mask of each."""
    dataset = drawn(folder, ids=["a", "b"], text=["x", "x"])
    stripes = np.zeros((*size, 3), np.uint8)
    stripes[:, ::2] = 255
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 3 :, size[1] // 4 :] = 255
    (folder / "images/0.png").write_bytes(encode_image(stripes))
    (folder / "masks/0.png").write_bytes(encode_mask(mask))
    facts = {"height": size[0], "width": size[1], "sha256": sha256(encode_image(stripes)).hexdigest()}
    rows = [row | facts for row in dataset.table.to_pylist()]
    schema = dataset.table.schema
    if ignored:
        (folder / "ignores").mkdir()
        (folder / "ignores/0.png").write_bytes(encode_gray(np.where(mask > 0, np.uint8(0), np.uint8(128))))
        rows = [row | {"ignore": "ignores/0.png"} for row in rows]
        schema = schema.append(pa.field("ignore", pa.string()))
    table = pa.Table.from_pylist(rows, schema=schema)
    return Dataset(folder=dataset.folder, card=dataset.card, rows=InMemory(table))


SIZE_OF_PICTURE = """() => {
  const image = document.querySelector('#close-up-picture img');
  const box = document.querySelector('#close-up-picture').getBoundingClientRect();
  return [image.naturalWidth, image.naturalHeight, box.width, box.height];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_close_up_fills_the_window_shows_every_pixel_and_moves_by_keys(
    scheme: str, tmp_path: Path, open_page: Callable[..., tuple[Any, list[str]]]
) -> None:
    dataset = photographs(tmp_path / "a d?#%'", size=(1500, 2000))
    page, seen = open_page(sheet(dataset, out=tmp_path / "g.html"), color_scheme=scheme)
    page.locator(".stage").first.click()
    box = page.locator("#close-up").bounding_box()
    assert (box["width"], box["height"]) == (1280, 900)
    wait_until(page, "document.querySelector('#close-up-picture img').naturalWidth === 2000")
    assert page.evaluate(SIZE_OF_PICTURE)[3] > 600, "all of it, in the window"
    page.keyboard.press("z")
    assert page.evaluate(SIZE_OF_PICTURE) == [2000, 1500, 2000, 1500]
    frame = page.locator("#close-up-window")
    assert frame.bounding_box()["height"] > 800 and not page.locator("#close-up-facts").is_visible()
    before = frame.evaluate("one => [one.scrollLeft, one.scrollTop]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    after = frame.evaluate("one => [one.scrollLeft, one.scrollTop]")
    assert after[0] > before[0] and after[1] > before[1]
    assert page.locator("#close-up-name").text_content() == "a", "the arrows move the picture, not the choice"
    page.keyboard.press("+")
    assert page.evaluate(SIZE_OF_PICTURE)[2:] == [4000, 3000]
    page.keyboard.press("n")
    assert page.locator("#close-up-name").text_content() == "b"
    page.keyboard.press("3")
    wait_until(page, "document.querySelector('#close-up-picture img').alt === 'mask of b'")
    wait_until(page, "document.querySelector('#close-up-picture img').naturalWidth === 2000")
    assert page.locator("#close-up-note").text_content() == ""
    page.keyboard.press("z")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#close-up-name").text_content() == "a"
    assert seen == []


def test_a_sheet_that_was_moved_shows_its_own_small_pictures_and_says_so(
    tmp_path: Path, open_page: Callable[..., tuple[Any, list[str]]]
) -> None:
    page_file = sheet(photographs(tmp_path / "d", size=(900, 600)), out=tmp_path / "g.html")
    (tmp_path / "elsewhere").mkdir()
    page, seen = open_page(page_file.rename(tmp_path / "elsewhere" / "g.html"))
    page.locator(".stage").first.click()
    wait_until(page, "document.querySelector('#close-up-note').textContent.startsWith('a small picture')")
    wait_until(page, "document.querySelector('#close-up-picture img').naturalHeight === 320")
    page.keyboard.press("3")
    page.wait_for_selector("#close-up-picture path.person", state="attached")
    assert [one for one in seen if "ERR_FILE_NOT_FOUND" not in one] == []


def test_ignored_pixels_are_hatched_wherever_a_label_is_drawn(
    tmp_path: Path, open_page: Callable[..., tuple[Any, list[str]]]
) -> None:
    page, seen = open_page(sheet(photographs(tmp_path / "d", size=(90, 60), ignored=True), out=tmp_path / "g.html"))
    page.wait_for_selector(".stage path.ignored", state="attached")
    box = page.locator(".stage path.ignored").first.evaluate("one => { const b = one.getBBox(); return [b.x, b.y]; }")
    assert box == [0, 0], "they begin at the corner, where nobody is"
    assert "hatched" in page.locator(".stage path.ignored").first.evaluate("one => getComputedStyle(one).fill")
    assert page.locator(".key.ignored").is_visible()
    page.keyboard.press("3")
    assert page.locator(".stage path.ignored").count() == 2
    assert seen == []


def test_a_swatch_is_printed_and_stays_on_the_line_of_its_name(
    tmp_path: Path, open_page: Callable[..., tuple[Any, list[str]]]
) -> None:
    page, _ = open_page(sheet(photographs(tmp_path / "d", size=(90, 60), ignored=True), out=tmp_path / "g.html"))
    page.set_viewport_size({"width": 390, "height": 800})
    for media in ("screen", "print"):
        page.emulate_media(media=media)
        assert page.evaluate(
            "[...document.querySelectorAll('.key')].every(one => one.getBoundingClientRect().width >= 10)"
        )
        styles = page.evaluate(
            "[...document.querySelectorAll('.key')].map(one => getComputedStyle(one).printColorAdjust)"
        )
        assert set(styles) == {"exact"}
