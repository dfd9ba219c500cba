from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from curation.quarantine import BadRecord, Code
from models.data.choose_samples import LabelledImage, SampleChoice, choose_samples
from models.data.read_labels import fitted, read_image, read_label
from models.losses.targets import IGNORED
from tests.models.data.discs import disc_dataset, write_png

SIZE = (4, 4)


def sample(folder: Path, values: list[list[int]], *, ignore: list[list[int]] | None = None) -> LabelledImage:
    write_png(folder / "images" / "a.png", np.zeros((*SIZE, 3), np.uint8))
    write_png(folder / "labels" / "a.png", np.array(values, np.uint8))
    if ignore is not None:
        write_png(folder / "ignores" / "a.png", np.array(ignore, np.uint8))
    where = "ignores/a.png" if ignore is not None else None
    return LabelledImage(key="d/a", folder=folder, image="images/a.png", label="labels/a.png", ignore=where)


def rows(*values: int) -> list[list[int]]:
    """Return four rows, each of one value."""
    return [[value] * 4 for value in values]


def test_a_mask_is_zero_and_one_and_crowds_are_ignored(tmp_path: Path) -> None:
    one = sample(tmp_path, rows(0, 255, 255, 0), ignore=rows(0, 0, 128, 128))
    assert read_label(one, classes=1, size=SIZE).tolist() == rows(0, 1, IGNORED, IGNORED)
    assert read_image(one).shape == (4, 4, 3)


def test_a_trimap_is_three_classes(tmp_path: Path) -> None:
    one = sample(tmp_path, rows(0, 128, 255, 0), ignore=rows(0, 0, 0, 128))
    assert read_label(one, classes=3, size=SIZE).tolist() == rows(0, 1, 2, IGNORED)


@pytest.mark.parametrize(
    ("classes", "values", "code"),
    [(1, rows(0, 7, 255, 0), Code.MASK_VALUES), (3, rows(0, 7, 255, 0), Code.TRIMAP)],
)
def test_values_that_are_no_label_are_told_with_their_file(
    tmp_path: Path, classes: int, values: list[list[int]], code: Code
) -> None:
    with pytest.raises(BadRecord) as caught:
        read_label(sample(tmp_path, values), classes=classes, size=SIZE)
    assert caught.value.code == code
    assert caught.value.file.endswith("labels/a.png")
    assert "7 (4x)" in caught.value.reason


def test_an_ignore_file_of_other_values_is_refused(tmp_path: Path) -> None:
    one = sample(tmp_path, rows(0, 255, 0, 0), ignore=rows(0, 0, 9, 128))
    with pytest.raises(BadRecord, match="values other than 0, 128"):
        read_label(one, classes=1, size=SIZE)


@pytest.mark.parametrize("name", ["labels/small.png", "ignores/small.png"])
def test_a_label_of_another_size_is_refused(tmp_path: Path, name: str) -> None:
    one = sample(tmp_path, rows(0, 255, 0, 0))
    write_png(tmp_path / name, np.zeros((3, 4), np.uint8))
    other = replace(one, label=name) if name.startswith("labels") else replace(one, ignore=name)
    with pytest.raises(BadRecord, match="is 4 x 3, its image 4 x 4") as caught:
        read_label(other, classes=1, size=SIZE)
    assert caught.value.code == Code.SIZE_MISMATCH


@pytest.mark.parametrize("column", ["image", "mask"])
def test_a_file_that_changed_since_its_import_is_told(tmp_path: Path, column: str) -> None:
    disc_dataset(tmp_path / "d", ["a", "b"])
    digest = {"mask_sha256": sha256((tmp_path / "d" / "masks" / "a.png").read_bytes()).hexdigest()}
    dataset = disc_dataset(tmp_path / "d", ["a", "b"], rows={"a": digest})
    train = disc_dataset(tmp_path / "train", ["c"])
    judge, _ = choose_samples([train], validation=[dataset], choice=SampleChoice()).validation
    path = tmp_path / "d" / f"{column}s" / "a.png"
    path.write_bytes(path.with_name("b.png").read_bytes())
    with pytest.raises(BadRecord, match="the manifest says") as caught:
        read_image(judge)
        read_label(judge, classes=1, size=(48, 40))
    assert (caught.value.code, caught.value.file) == (Code.CHECKSUM, str(path))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    one = sample(tmp_path, rows(0, 255, 0, 0))
    with pytest.raises(BadRecord) as caught:
        read_label(replace(one, label="labels/none.png"), classes=1, size=SIZE)
    assert caught.value.code == Code.MISSING_FILE


def test_a_smaller_label_is_what_at_least_half_of_a_pixel_was() -> None:
    """Blocks of 2 x 2: three of four person; two of four person; one of four person; half of it ignored."""
    label = np.array([[1, 1, 1, 1, 0, 1, 255, 255], [1, 0, 0, 0, 0, 0, 1, 1]], np.uint8)
    image, small = fitted(np.zeros((2, 8, 3), np.uint8), label, size=(1, 4), classes=1)
    assert small.tolist() == [[1, 1, 0, IGNORED]]
    assert image.shape == (1, 4, 3)


def test_a_smaller_trimap_is_unknown_where_neither_side_has_half() -> None:
    """Blocks of 2 x 2: foreground by half; background by half; unknown; a quarter each, and an unknown half."""
    label = np.array([[2, 2, 0, 0, 1, 1, 2, 0], [1, 1, 1, 1, 1, 1, 1, 1]], np.uint8)
    _, small = fitted(np.zeros((2, 8, 3), np.uint8), label, size=(1, 4), classes=3)
    assert small.tolist() == [[2, 0, 1, 1]]


def test_a_label_at_its_size_stays_as_it_is() -> None:
    label = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3
    assert fitted(np.zeros((3, 4, 3), np.uint8), label, size=(3, 4), classes=3)[1] is label
