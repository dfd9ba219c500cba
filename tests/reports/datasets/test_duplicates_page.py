"""The page of copies as a file: which pairs are on it and in which order, and that hostile text stays text."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset
from curation.dataset.rows import InMemory
from curation.duplicates.find_duplicates import find_duplicates
from curation.duplicates.fingerprint_dataset import LookOptions, look_at, pictures_of
from reports.datasets.duplicates_page import DuplicatesPage, write_duplicates_page
from tests.drawn_pictures import Drawn, jpeg, picture, png, write_pictures
from tests.reports.datasets.test_gallery import HOSTILE, Page

HERE = RunnerOptions(workers=0)


def written(out: Path, *datasets: Dataset, name: str = "one", pairs: int = 100, runner: RunnerOptions = HERE) -> str:
    pictures = pictures_of(datasets)
    options = LookOptions(folder=out.parent / "w", is_kept=False, runner=HERE)
    seen = look_at(pictures, datasets=datasets, options=options)
    page = DuplicatesPage(
        found=find_duplicates(pictures, seen=seen),
        datasets=datasets,
        names=[name for _ in datasets],
        records=seen.records,
        pairs=pairs,
    )
    write_duplicates_page(page, out=out, runner=runner)
    return out.read_text()


def three_pairs(folder: Path) -> Dataset:
    return write_pictures(
        folder,
        Drawn(id="a1", data=png(picture(0)), split="train"),
        Drawn(id="a2", data=png(picture(0)), split="train"),
        Drawn(id="b1", data=png(picture(1)), split="train"),
        Drawn(id="b2", data=jpeg(picture(1), quality=60), split="test"),
        Drawn(id="c1", data=png(picture(2))),
        Drawn(id="c2", data=png(picture(2), level=9)),
        Drawn(id="text", data=b"no picture"),
    )


def test_pairs_are_side_by_side_leaks_first(tmp_path: Path) -> None:
    page = Page(written(tmp_path / "d.html", three_pairs(tmp_path / "d")))
    text = " ".join(" ".join(page.text).split())
    text = text[text.index("Leaks between splits") :]
    places = [text.index(words) for words in ("Leaks between splits", "b2", "b1", "Within a dataset", "a1", "a2", "c1")]
    assert places == sorted(places)
    assert page.tags.count("img") == 6
    assert "test and train" in text
    assert "NOT_IMAGE" in text


def test_the_page_says_how_many_pairs_are_left_out(tmp_path: Path) -> None:
    page = written(tmp_path / "d.html", three_pairs(tmp_path / "d"), pairs=1)
    assert Page(page).tags.count("img") == 2
    assert "1 pairs are on this page" in page


def test_workers_do_not_change_the_bytes(tmp_path: Path) -> None:
    dataset = three_pairs(tmp_path / "d")
    one = written(tmp_path / "one.html", dataset)
    assert written(tmp_path / "two.html", dataset, runner=RunnerOptions(workers=2)) == one


def test_a_picture_that_went_away_meanwhile_is_told(tmp_path: Path) -> None:
    dataset = three_pairs(tmp_path / "d")
    mask = dataset.table.column_names.index("mask")
    table = dataset.table.set_column(mask, "mask", [["masks/gone.png"] * len(dataset)])
    page = written(tmp_path / "d.html", Dataset(folder=dataset.folder, card=dataset.card, rows=InMemory(table)))
    assert page.count("MISSING_FILE") == 6


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(tmp_path: Path, text: str) -> None:
    def page_of(folder: Path, words: str) -> Page:
        drawn = [Drawn(id=f"{n}", data=png(picture(0)), split=words) for n in range(2)]
        dataset = write_pictures(folder, *drawn)
        rows = [row | {"id": f"{words}{row['id']}"} for row in dataset.table.to_pylist()]
        table = dataset.table.from_pylist(rows, schema=dataset.table.schema)
        hostile = Dataset(folder=dataset.folder, card=dataset.card, rows=InMemory(table))
        return Page(written(folder / "p.html", hostile, name=words))

    plain, found = page_of(tmp_path / "plain", "x"), page_of(tmp_path / "hostile", text)
    assert found.tags == plain.tags
    assert [entry[:2] for entry in found.attributes] == [entry[:2] for entry in plain.attributes]
    assert any(text in part for part in found.text)
    assert "script" not in found.tags


def test_the_file_asks_for_nothing_outside_itself(tmp_path: Path) -> None:
    page = Page(written(tmp_path / "d.html", three_pairs(tmp_path / "d")))
    assert not {"link", "iframe", "object", "embed", "base", "script"} & set(page.tags)
    sources = [value or "" for _, name, value in page.attributes if name in {"src", "href", "srcset"}]
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    (policy,) = [value for _, _, value in page.attributes if value and "default-src" in value]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
