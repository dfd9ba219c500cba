"""The pages of copies and of backgrounds in a real browser: nothing that came with the data runs or is fetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset
from curation.dataset.rows import InMemory
from curation.duplicates.find_duplicates import find_duplicates
from curation.duplicates.fingerprint_dataset import LookOptions, look_at, pictures_of
from curation.images.pixels import encode_mask
from curation.quarantine import BadRecord, Code
from models.evaluation.find_persons import Sighting
from reports.datasets.backgrounds_page import BackgroundsPage, write_backgrounds_page
from reports.datasets.duplicates_page import DuplicatesPage, write_duplicates_page
from tests.real.test_gallery_page import IDS, PAYLOADS, drawn

pytestmark = pytest.mark.real
HERE = RunnerOptions(workers=0)
OpenPage = Callable[..., tuple[Any, list[str]]]


@pytest.fixture
def hostile(tmp_path: Path) -> Dataset:
    """Draw one picture under ids that would run, in splits and with names that would, too."""
    dataset = drawn(tmp_path / "d", ids=IDS, text=PAYLOADS)
    rows = [row | {"split": row["id"]} for row in dataset.table.to_pylist()]
    return Dataset(
        folder=dataset.folder, card=dataset.card, rows=InMemory(dataset.table.from_pylist(rows, dataset.table.schema))
    )


def broken() -> list[Any]:
    return [BadRecord(Code.NAME, words, file=words, record_id=words).record(stage="test") for words in PAYLOADS]


def copies_page(dataset: Dataset, *, out: Path) -> Path:
    pictures = pictures_of([dataset])
    options = LookOptions(folder=out.parent / "w", is_kept=False, runner=HERE)
    found = find_duplicates(pictures, seen=look_at(pictures, datasets=[dataset], options=options))
    page = DuplicatesPage(found=found, datasets=[dataset], names=[PAYLOADS[0]], records=broken(), pairs=30)
    write_duplicates_page(page, out=out, runner=HERE)
    return out


def backgrounds_page(dataset: Dataset, *, out: Path) -> Path:
    mask = np.zeros((60, 40), np.uint8)
    mask[20:50, 10:30] = 255
    pictures = pictures_of([dataset])
    found = {
        number: Sighting(id=one.id, strength=9 - number / 10, area=0.9 / (1 + number), mask=encode_mask(mask))
        for number, one in enumerate(pictures)
    }
    page = BackgroundsPage(
        dataset=dataset,
        model=PAYLOADS[1],
        pictures=pictures,
        seen=found,
        records=broken(),
        listed={number: 0.05 if number % 2 else None for number in found},
        trust=PAYLOADS[0],
        is_calibrated=True,
        images=len(found),
    )
    write_backgrounds_page(page, out=out, runner=HERE)
    return out


@pytest.mark.parametrize("write", [copies_page, backgrounds_page])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_that_came_with_the_data_runs_or_is_fetched_and_all_of_it_is_read_as_text(
    write: Callable[..., Path], scheme: str, hostile: Dataset, tmp_path: Path, open_page: OpenPage
) -> None:
    page, seen = open_page(write(hostile, out=tmp_path / "p.html"), color_scheme=scheme)
    names = set(page.locator(".card .name").all_text_contents())
    assert names <= set(IDS) and len(names) >= 10
    assert set(page.locator(".chip").all_text_contents()) <= set(IDS)
    assert page.locator(".quarantine tbody tr").count() == len(PAYLOADS)
    assert page.locator("script, iframe, link, form, a, base, body [onload], [onerror]").count() == 0
    pictures = page.locator(".stage img")
    assert pictures.count() == page.locator(".card figure").count()
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.mouse.wheel(0, 4000)
    assert seen == []


@pytest.mark.parametrize("write", [copies_page, backgrounds_page])
def test_words_are_readable_on_what_lies_behind_them(
    write: Callable[..., Path], hostile: Dataset, tmp_path: Path, open_page: OpenPage
) -> None:
    file = write(hostile, out=tmp_path / "p.html")
    for scheme in ("light", "dark"):
        page, _ = open_page(file, color_scheme=scheme)
        for words in (".name", ".line", ".counts dt", ".counts dd", ".lead", ".quarantine td"):
            assert page.locator(words).first.evaluate(CONTRAST) >= 4.5, f"{words}, {scheme}"


CONTRAST = """element => {
  const numbers = colour => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d');
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const straight = part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    const [red, green, blue] = [...numbers(colour)].map(part => straight(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  let behind = element;
  while (numbers(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
  const both = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
  const [high, low] = both.map(light).sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}"""
"""WCAG 2.1, contrast ratio (1.4.3): at least 4.5 for small words."""
