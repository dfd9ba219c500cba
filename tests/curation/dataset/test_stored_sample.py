"""A dataset as a sequence: its arrays are the pixels that another library sees, and what cannot be read is told."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from curation import read_dataset
from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset
from curation.errors import InputRefused
from curation.sources.image_label_folders import PairsSettings, plan_pairs

SIZE = (40, 60)
"""Width and height as displayed."""
NAMES = ["a", "b & b", "c"]
HOSTILE = "<img src=x onerror=alert(1)>"


def drawn(folder: Path) -> Dataset:
    """Write three photographs that EXIF turns by a quarter, with a mask each as displayed."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    for number, name in enumerate(NAMES):
        stored = PIL.Image.fromarray(rng.integers(0, 256, (SIZE[0], SIZE[1], 3), np.uint8))
        stored.save(folder / f"images/{name}.jpg", exif=exif)
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        mask[10 : 30 + number, 5:30] = 255
        PIL.Image.fromarray(mask).save(folder / f"masks/{name}.png")
    settings = PairsSettings(images=folder / "images", masks=folder / "masks", label_frame="shown")
    build_dataset(plan_pairs(settings), out=folder / HOSTILE, options=BuildOptions(runner=RunnerOptions(workers=0)))
    return read_dataset(folder / HOSTILE)


def by_pillow(path: Path) -> np.ndarray:
    with PIL.Image.open(path) as picture:
        return np.asarray(PIL.ImageOps.exif_transpose(picture).convert("RGB"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn(tmp_path_factory.mktemp("turned"))


def test_samples_are_found_by_number_from_both_ends_and_by_id(dataset: Dataset) -> None:
    ids = dataset.table["id"].to_pylist()
    assert len(dataset) == 3 and [one.id for one in dataset] == ids
    assert [dataset[np.int64(index)].id for index in (0, 1, -1)] == [ids[0], ids[1], ids[2]]
    assert all(dataset[id_].row == row for id_, row in zip(ids, dataset.table.to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("key", "error"), [(3, IndexError), (-4, IndexError), ("nobody", KeyError), (1.0, TypeError), (None, TypeError)]
)
def test_a_sample_that_is_not_there_is_told(dataset: Dataset, key: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"3|nobody|integer"):
        dataset[key]  # type: ignore[index]


def test_arrays_are_the_pixels_as_displayed(dataset: Dataset) -> None:
    for sample in dataset:
        assert sample.image.shape == (SIZE[1], SIZE[0], 3) and sample.image.dtype == np.uint8
        off = np.abs(sample.image.astype(int) - by_pillow(dataset.path(sample.row["image"])))
        assert off.max() <= 4  # two JPEG decoders
        assert sample.mask is not None and set(np.unique(sample.mask)) == {0, 255}
        assert np.array_equal(sample.mask, by_pillow(dataset.path(sample.row["mask"]))[..., 0])
        assert sample.alpha is None and sample.trimap is None


def test_the_frame_is_the_manifest(dataset: Dataset) -> None:
    assert dataset.frame["id"].tolist() == [one.id for one in dataset]


def test_a_dataset_stands_for_its_folder_and_shows_itself_in_a_line(dataset: Dataset) -> None:
    assert Path(dataset) == dataset.folder
    assert "3 samples" in repr(dataset) and len(repr(dataset)) < 300
    assert repr(dataset[0]) == f"<Sample {dataset[0].id!r}: 40 x 60, mask>"
    assert len(repr(dataset.card)) < 1000


def test_a_notebook_shows_counts_and_pictures_and_runs_nothing_of_the_data(dataset: Dataset) -> None:
    page = dataset._repr_html_()
    assert "<td>considered</td><td>3</td>" in page
    pictures = re.findall(r"data:image/webp;base64,([^\"]+)", page)
    assert len(pictures) == 3
    with PIL.Image.open(io.BytesIO(base64.b64decode(pictures[0]))) as picture:
        assert picture.size == SIZE
    assert "<img" not in page and "&lt;img" in page and "b &amp; b" in page


def test_what_is_missing_or_changed_is_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    dataset = drawn(tmp_path)
    first, second, third = dataset
    dataset.path(first.row["image"]).unlink()
    changed = dataset.path(second.row["mask"])
    changed.unlink()
    PIL.Image.fromarray(np.full((SIZE[1], SIZE[0]), 255, np.uint8)).save(changed)
    with pytest.raises(InputRefused, match="MISSING_FILE") as missing:
        _ = first.image
    assert missing.value.exit_code == 4 and missing.value.where == str(dataset.path(first.row["image"]))
    with pytest.raises(InputRefused, match="CHECKSUM"):
        _ = second.mask
    assert second.image.shape == third.image.shape
    page = dataset._repr_html_()
    assert page.count("data:image/webp") == 1 and page.count("<em>") == 2 and "MISSING_FILE" in page
