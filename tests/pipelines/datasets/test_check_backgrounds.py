"""`curate check-backgrounds` as a user types it, with a model whose every prediction is known (`tiny_onnx`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.dataset.dataset import read_dataset, read_quarantine
from curation.errors import InputRefused
from models.evaluation import find_persons as sightings
from pipelines.command_line.options import Result, RunOptions
from pipelines.datasets.check_backgrounds import CheckBackgroundsFlags, check_backgrounds
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
        "speck": person(left=8, right=9, top=38),
        "faint": np.where(person(left=8, right=14, top=0) > 0, np.uint8(240), np.uint8(0)),
        "large": person(left=0, right=15, top=0),
    }
    drawn_dataset(tmp_path / "d", [Sample(id=name, prediction=where, mask=None) for name, where in seen.items()])
    return tmp_path / "d"


def run(data: Path, model: Path, **flags: Any) -> Result:
    common = {name: flags.pop(name) for name in ("dry_run", "limit", "max_quarantine", "workers") if name in flags}
    options = RunOptions(**{"workers": 0, "quiet": True, **common})
    return check_backgrounds(CheckBackgroundsFlags(dataset=data, model=model, **flags), run=options)


def listed(result: Result) -> list[str]:
    return [entry["id"] for entry in result.data["listed"]]


def test_images_with_a_person_are_listed_the_strongest_first_and_nothing_is_changed(data: Path, model: Path) -> None:
    before = tree(data)
    result = run(data, model)
    assert listed(result) == ["large", "faint"]
    assert [entry["area_seen"] for entry in result.data["listed"]] == pytest.approx([0.5, 0.2], abs=0.04)
    strengths = [entry["strength"] for entry in result.data["listed"]]
    # the log-odds of the largest probability that is told from 1, and of 240 / 255; the grid blurs the outline
    assert np.log(1e6) >= strengths[0] > 11
    assert np.log(240 / 15) + 0.01 >= strengths[1] > 2
    assert (result.exit_code, result.data["calibration"]) == (0, None)
    rows = pq.read_table(data / "check-backgrounds" / "sightings.parquet").to_pylist()
    assert [(row["id"], row["is_listed"], row["clean_as_strong"]) for row in rows] == [
        ("large", True, None),
        ("faint", True, None),
        ("speck", False, None),
        ("nobody", False, None),
    ]
    page = (data / "check-backgrounds" / "backgrounds.html").read_text()
    assert page.count('<path class="over"') == 2
    assert "Not calibrated" in page and "not calibrated" in result.summary
    assert {name: held for name, held in tree(data).items() if not name.startswith("check-backgrounds")} == before


def test_a_larger_person_alone_counts_where_asked_for(data: Path, model: Path) -> None:
    assert listed(run(data, model, min_area=0.3)) == ["large"]
    assert listed(run(data, model, min_area=0.3, keep=("large",))) == []


def test_listed_images_are_set_aside_where_asked_for(data: Path, model: Path) -> None:
    result = run(data, model, quarantine=True, keep=("faint",))
    assert (result.exit_code, result.data["quarantined"]) == (3, 1)
    dataset = read_dataset(data)
    assert dataset.table["id"].to_pylist() == ["faint", "nobody", "speck"]
    assert dataset.card.counts.quarantined["PERSON_SEEN"] == 1
    assert "PERSON_SEEN" in [str(line.code) for line in read_quarantine(data)]
    again = run(data, model, quarantine=True, keep=("faint",))
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
    (data / "images" / "faint.png").write_bytes(b"no picture")
    result = run(data, model)
    assert (result.exit_code, result.data["unreadable"]) == (3, 1)
    assert listed(result) == ["large"]
    (line,) = (data / "check-backgrounds" / "quarantine.jsonl").read_text().splitlines()
    assert '"record_id":"faint"' in line


def test_what_means_nothing_is_refused(data: Path, model: Path) -> None:
    with pytest.raises(click.UsageError, match="no share"):
        run(data, model, min_area=0.0)
    with pytest.raises(click.UsageError, match="no share"):
        run(data, model, false_alarms=1.5)
    with pytest.raises(click.UsageError, match="go together"):
        run(data, model, clean=data)
    with pytest.raises(click.UsageError, match="negative"):
        run(data, model, images=-1)
    with pytest.raises(InputRefused, match="no sample has this id"):
        run(data, model, keep=("gone",))
    with pytest.raises(InputRefused, match="no such model"):
        run(data, data / "gone.onnx")


CLEAN, SIZE = 20, (120, 160)


def faint_dataset(folder: Path, *, count: int, seed: int, loud: int = 0, reds: tuple[int, int] = (230, 246)) -> Path:
    """Draw images that show nobody: specks of what looks a little like a person; in the first `loud`, a good deal."""
    rng = np.random.default_rng(seed)
    samples = []
    for number in range(count):
        red = np.zeros(SIZE, np.uint8)
        top, left = rng.integers(0, 80), rng.integers(0, 120)
        red[top : top + 30, left : left + 30] = rng.integers(*reds) if number >= loud else 255
        samples.append(Sample(id=f"{seed}-{number:02}", prediction=red, mask=None))
    drawn_dataset(folder, samples)
    return folder


def persons_dataset(folder: Path, *, count: int, value: int = 255) -> Path:
    """Draw photographs with masks, whose persons are as red as `value`; what is around them is not."""
    samples = []
    for number in range(count):
        mask = person(left=30, right=60 + number, top=40, size=(120, 90 + number))
        red = np.where(mask > 0, np.uint8(value), np.uint8(10))
        samples.append(Sample(id=f"p{number:02}", prediction=red, mask=mask))
    drawn_dataset(folder, samples)
    return folder


def test_a_model_that_tells_persons_is_calibrated_and_lists_what_clean_images_seldom_show(
    tmp_path: Path, model: Path
) -> None:
    clean = faint_dataset(tmp_path / "clean", count=CLEAN, seed=1)
    persons = persons_dataset(tmp_path / "persons", count=12)
    data = faint_dataset(tmp_path / "d", count=4, seed=2, loud=2, reds=(226, 230))
    before = tree(tmp_path)
    result = run(data, model, clean=clean, persons=persons, out=tmp_path / "out")
    assert sorted(listed(result)) == ["2-00", "2-01"]
    told = result.data["calibration"]
    assert (told["auc"], told["tested_images"], told["calibrating_images"]) == (1.0, 10, 10)
    assert [entry["clean_as_strong"] for entry in result.data["listed"]] == [pytest.approx(1 / 11)] * 2
    page = (tmp_path / "out" / "backgrounds.html").read_text()
    assert "Self-test: AUC 1.00" in page and "Not calibrated" not in page
    after = {name: held for name, held in tree(tmp_path).items() if not name.startswith("out")}
    assert after == before


def test_a_model_that_does_not_tell_persons_is_refused(tmp_path: Path, model: Path) -> None:
    clean = faint_dataset(tmp_path / "clean", count=CLEAN, seed=1)
    persons = persons_dataset(tmp_path / "persons", count=12, value=100)
    data = faint_dataset(tmp_path / "d", count=4, seed=2, loud=2)
    with pytest.raises(InputRefused, match=r"AUC 0\.[0-7].*10 images\), at least 0\.9") as refused:
        run(data, model, clean=clean, persons=persons)
    assert refused.value.exit_code == 4
    assert not (data / "check-backgrounds" / "backgrounds.html").exists()


def test_clean_images_are_never_listed(tmp_path: Path, model: Path) -> None:
    clean = faint_dataset(tmp_path / "clean", count=CLEAN, seed=1, loud=1)
    persons = persons_dataset(tmp_path / "persons", count=12)
    result = run(clean, model, clean=clean, persons=persons, out=tmp_path / "out", false_alarms=1.0)
    assert listed(result) == []


def test_too_few_images_to_test_with_and_persons_among_the_clean_are_refused(tmp_path: Path, model: Path) -> None:
    clean = faint_dataset(tmp_path / "clean", count=CLEAN, seed=1)
    few = faint_dataset(tmp_path / "few", count=18, seed=1)
    persons = persons_dataset(tmp_path / "persons", count=12)
    with pytest.raises(InputRefused, match="9 images, and needs 10") as refused:
        run(clean, model, clean=few, persons=persons)
    assert refused.value.where == str(few)
    with pytest.raises(InputRefused, match="3 images, and needs 10") as refused:
        run(clean, model, clean=clean, persons=persons_dataset(tmp_path / "three", count=3))
    assert refused.value.where == str(tmp_path / "three")
    with pytest.raises(InputRefused, match=r"p00 is also in .*shows a person"):
        run(clean, model, clean=persons, persons=persons)
