"""`curate check-backgrounds` as a user types it, with a model whose every prediction is known (`tiny_onnx`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.dataset import read_dataset, read_quarantine
from curation.errors import InputRefused
from models import sightings
from pipelines.check_backgrounds import CheckBackgroundsFlags, check_backgrounds
from pipelines.options import Result, RunOptions
from tests.models.drawn import H, Sample, W, drawn_dataset, person
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.commands import tree

pytestmark = pytest.mark.usefixtures("checked_once")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_onnx(tmp_path_factory.mktemp("model") / "red.onnx")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Draw images in which nobody, a few pixels, and a fifth of the frame and more are taken for person."""
    seen = {
        "nobody": np.zeros((H, W), np.uint8),
        "speck": person(left=8, right=10, top=36),
        "small": person(left=8, right=14, top=0),
        "large": person(left=0, right=15, top=0),
    }
    drawn_dataset(tmp_path / "d", [Sample(id=name, prediction=where, mask=None) for name, where in seen.items()])
    return tmp_path / "d"


def run(data: Path, model: Path, **flags: Any) -> Result:
    common = {name: flags.pop(name) for name in ("dry_run", "limit", "max_quarantine", "workers") if name in flags}
    options = RunOptions(**{"workers": 0, "quiet": True, **common})
    return check_backgrounds(CheckBackgroundsFlags(dataset=data, model=model, **flags), run=options)


def listed(result: Result) -> list[tuple[str, float]]:
    return [(entry["id"], round(entry["area_seen"], 6)) for entry in result.data["listed"]]


def test_images_with_a_person_are_listed_the_largest_first_and_nothing_is_changed(data: Path, model: Path) -> None:
    before = tree(data)
    result = run(data, model)
    assert listed(result) == [("large", 0.5), ("small", 0.2)]
    assert result.exit_code == 0
    rows = pq.read_table(data / "check-backgrounds" / "sightings.parquet").to_pylist()
    assert [(row["id"], row["is_listed"]) for row in rows] == [
        ("large", True),
        ("small", True),
        ("speck", False),
        ("nobody", False),
    ]
    page = (data / "check-backgrounds" / "backgrounds.html").read_text()
    assert page.count('<path class="over"') == 2
    assert {name: held for name, held in tree(data).items() if not name.startswith("check-backgrounds")} == before


def test_a_smaller_person_counts_where_asked_for(data: Path, model: Path) -> None:
    assert [name for name, _ in listed(run(data, model, min_area=0.006))] == ["large", "small", "speck"]
    assert listed(run(data, model, min_area=0.3, keep=("large",))) == []


def test_listed_images_are_set_aside_where_asked_for(data: Path, model: Path) -> None:
    result = run(data, model, quarantine=True, keep=("small",))
    assert (result.exit_code, result.data["quarantined"]) == (3, 1)
    dataset = read_dataset(data)
    assert dataset.table["id"].to_pylist() == ["nobody", "small", "speck"]
    assert dataset.card.counts.quarantined["PERSON_SEEN"] == 1
    assert "PERSON_SEEN" in [str(line.code) for line in read_quarantine(data)]
    again = run(data, model, quarantine=True, keep=("small",))
    assert (again.exit_code, again.data["images"]) == (0, 3)


def test_more_than_allowed_is_never_set_aside(data: Path, model: Path) -> None:
    before = read_dataset(data).table
    with pytest.raises(InputRefused, match="a person in 2 of 4 images, 1 may be set aside"):
        run(data, model, quarantine=True, max_quarantine="25%")
    assert read_dataset(data).table.equals(before)
    assert (data / "check-backgrounds" / "backgrounds.html").exists()


def test_known_predictions_are_not_made_again(data: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(data, model, limit=3)
    asked: list[int] = []
    real = sightings._seen

    def counted(files: Any, **rest: Any) -> Any:
        asked.append(len(files))
        return real(files, **rest)

    monkeypatch.setattr(sightings, "_seen", counted)
    run(data, model, dry_run=True)
    second = run(data, model)
    run(data, model)
    assert asked == [1, 1, 0]
    assert (first.data["images"], second.data["images"]) == (3, 4)


def test_a_dry_run_writes_nothing(data: Path, model: Path) -> None:
    before = tree(data)
    assert len(listed(run(data, model, dry_run=True, quarantine=True))) == 2
    assert tree(data) == before


def test_workers_do_not_change_what_is_seen(data: Path, model: Path) -> None:
    one = run(data, model, out=data.parent / "one").data["listed"]
    assert run(data, model, out=data.parent / "two", workers=2).data["listed"] == one


def test_an_image_that_cannot_be_read_is_told(data: Path, model: Path) -> None:
    (data / "images" / "small.png").write_bytes(b"no picture")
    result = run(data, model)
    assert (result.exit_code, result.data["unreadable"]) == (3, 1)
    assert [name for name, _ in listed(result)] == ["large"]
    (line,) = (data / "check-backgrounds" / "quarantine.jsonl").read_text().splitlines()
    assert '"record_id":"small"' in line


def test_what_means_nothing_is_refused(data: Path, model: Path) -> None:
    with pytest.raises(click.UsageError, match="no share"):
        run(data, model, min_area=0.0)
    with pytest.raises(click.UsageError, match="negative"):
        run(data, model, images=-1)
    with pytest.raises(InputRefused, match="no sample has this id"):
        run(data, model, keep=("gone",))
    with pytest.raises(InputRefused, match="no such model"):
        run(data, data / "gone.onnx")
