"""The contact sheet as a file: what is in it, what is not, and what it refuses. A browser looks at it in tests/real."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
import pyarrow as pa
import pytest

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset
from curation.errors import InputRefused
from reports.datasets.gallery import GalleryOptions, write_gallery
from tests.models.data.class_maps import class_dataset

HERE = RunnerOptions(workers=0)


class Page(HTMLParser):
    """Collects tags, attributes and the text of the data script."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def written(out: Path, *datasets: Dataset, **options: Any) -> str:
    write_gallery(datasets, out=out, options=GalleryOptions(**options), runner=HERE)
    return out.read_text()


def rows_of(page: str) -> list[dict[str, Any]]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    rows: list[dict[str, Any]] = json.loads(found.group(1))
    return rows


def test_every_sample_is_there_with_its_pictures(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    dataset = make_dataset(tmp_path / "d", "b", "a")
    rows = rows_of(written(tmp_path / "g.html", dataset))
    assert [row["id"] for row in rows] == ["a", "b"]
    for row in rows:
        assert set(row["pictures"]) == {"image", "width", "height", "outline", "alpha", "trimap"}
        with PIL.Image.open(BytesIO(base64.b64decode(row["pictures"]["image"]))) as picture:
            assert (picture.format, picture.size) == ("WEBP", (90, 120))


def test_the_file_asks_for_nothing_outside_itself(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    page = Page(written(tmp_path / "g.html", make_dataset(tmp_path / "d", "a")))
    assert not {"link", "iframe", "object", "embed", "base", "img"} & set(page.tags)
    assert not [entry for entry in page.attributes if entry[1] in {"src", "href", "srcset", "style"}]
    (policy,) = [value for tag, name, value in page.attributes if tag == "meta" and value and "default-src" in value]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_workers_do_not_change_the_bytes(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    dataset = make_dataset(tmp_path / "d", *"abcdefgh")
    one = written(tmp_path / "one.html", dataset)
    write_gallery([dataset], out=tmp_path / "two.html", options=GalleryOptions(), runner=RunnerOptions(workers=2))
    assert (tmp_path / "two.html").read_text() == one


HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</script><svg onload=alert(1)>", "{{ 7*7 }}"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(tmp_path: Path, make_dataset: Callable[..., Dataset], text: str) -> None:
    plain = Page(written(tmp_path / "plain.html", make_dataset(tmp_path / "p", "a")))
    name = text.replace("/", "|")  # an id is a file name
    dataset = make_dataset(tmp_path / "d", name, text=text, columns={text: pa.array([1.5])})
    page = written(tmp_path / "g.html", dataset)
    parsed = Page(page)
    assert parsed.tags == plain.tags
    assert [entry[:2] for entry in parsed.attributes] == [entry[:2] for entry in plain.attributes]
    assert any(text in part for part in parsed.text)
    (row,) = rows_of(page)
    assert (row["id"], row["source"], row["scores"]) == (name, text, {text: 1.5})


def test_counts_reasons_and_quarantine_are_told(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    text = " ".join(Page(written(tmp_path / "g.html", make_dataset(tmp_path / "d", "a", "b"))).text)
    words = text.split()
    assert words[words.index("considered") + 1] == "5"
    assert words[words.index("selected") + 1] == "2"
    assert words[words.index("quarantined") + 1] == "1"
    assert "no image: drawn" in text
    assert "fetch the file again; it holds no image" in text


def test_limit_and_query_say_what_is_left_out(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    one, two = make_dataset(tmp_path / "one", "a", "b", "c"), make_dataset(tmp_path / "two", "a")
    page = written(tmp_path / "g.html", one, two, limit=2, query="id != 'a'")
    assert [(row["dataset"], row["id"]) for row in rows_of(page)] == [(0, "b"), (0, "c")]
    assert "2 of 4 samples are on this sheet" in page
    assert [(row["dataset"], row["id"]) for row in rows_of(written(tmp_path / "g.html", one, two))][-1] == (1, "a")


def test_the_limit_is_shared_among_the_datasets(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    large, small = make_dataset(tmp_path / "large", *"abcdefgh"), make_dataset(tmp_path / "small", "a")
    rows = rows_of(written(tmp_path / "g.html", large, small, make_dataset(tmp_path / "other", *"abcde"), limit=7))
    assert [(row["dataset"], row["id"]) for row in rows] == [(0, n) for n in "abc"] + [(1, "a")] + [
        (2, n) for n in "abc"
    ]


def test_datasets_are_told_apart_by_name_or_else_by_folder(
    tmp_path: Path, make_dataset: Callable[..., Dataset]
) -> None:
    one, two = make_dataset(tmp_path / "x" / "same", "a"), make_dataset(tmp_path / "y" / "same", "a")
    page = written(tmp_path / "g.html", one, two, make_dataset(tmp_path / "z", "a"))
    found = re.search(r'<script id="datasets" type="application/json">(.*?)</script>', page)
    assert found is not None
    assert json.loads(found.group(1)) == [str(one.folder), str(two.folder), "z"]


def test_a_page_without_samples_says_why(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    page = written(tmp_path / "g.html", make_dataset(tmp_path / "d", "a"), query="person_area > 5")
    assert "No sample matches the query <code>person_area &gt; 5</code>" in page
    assert "There is no sample in this dataset" in written(tmp_path / "g.html", make_dataset(tmp_path / "e"))


def test_a_sample_that_cannot_be_read_gets_a_card_that_says_so(
    tmp_path: Path, make_dataset: Callable[..., Dataset]
) -> None:
    dataset = make_dataset(tmp_path / "d", "a", "b")
    dataset.path("masks/1.png").unlink()
    told: list[int] = []
    options = GalleryOptions()
    result = write_gallery([dataset], out=tmp_path / "g.html", options=options, runner=HERE, progress=told.append)
    assert (result.shown, result.total, result.failed) == (2, 2, 1)
    assert told == [1, 2]
    rows = rows_of((tmp_path / "g.html").read_text())
    assert rows[1]["problem"] == "MISSING_FILE: the file does not exist"
    assert "pictures" not in rows[1]


def test_another_file_is_not_written_over_but_an_old_gallery_is(
    tmp_path: Path, make_dataset: Callable[..., Dataset]
) -> None:
    dataset = make_dataset(tmp_path / "d", "a")
    notes = tmp_path / "notes.html"
    notes.write_text("my notes")
    with pytest.raises(InputRefused, match="not a gallery"):
        written(notes, dataset)
    assert notes.read_text() == "my notes"
    assert written(tmp_path / "g.html", dataset) == written(tmp_path / "g.html", dataset)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    with pytest.raises(InputRefused, match="no such folder"):
        written(tmp_path / "gone" / "g.html", make_dataset(tmp_path / "d", "a"))


def test_an_empty_dataset_gives_a_page(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    assert rows_of(written(tmp_path / "g.html", make_dataset(tmp_path / "d"))) == []


def test_class_maps_are_shown_in_colours_with_a_legend(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    named = class_dataset(tmp_path / "c", ["a"], names=("background", "<skin>", "l_eye", "r_eye"))
    page = written(tmp_path / "g.html", named)
    (row,) = rows_of(page)
    with PIL.Image.open(BytesIO(base64.b64decode(row["pictures"]["classes"]))) as picture:
        assert picture.format == "PNG"
        assert picture.size == (row["pictures"]["width"], row["pictures"]["height"])
    assert "&lt;skin&gt;</span>" in page
    assert page.count('<img class="key"') == 4
    assert '<img class="key"' not in written(tmp_path / "other.html", make_dataset(tmp_path / "d", "a"))
