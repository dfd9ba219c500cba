from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from curation.quarantine import BadRecord, Code
from models.data.truth import Truth, has_truth, read_truth
from tests.models.drawn import H, Sample, W, drawn_dataset, person, png, put


def truth_of(folder: Path, *, with_alpha: bool = True, **files: np.ndarray) -> Truth:
    dataset = drawn_dataset(folder, [Sample(id="a", prediction=person(), mask=person(), files=files)])
    return read_truth(dataset.table.to_pylist()[0], folder=folder, with_alpha=with_alpha)


def test_a_mask_is_read_and_every_pixel_counts(tmp_path: Path) -> None:
    truth = truth_of(tmp_path)
    assert (truth.mask == person()).all()
    assert (truth.valid, truth.alpha, truth.band) == (None, None, None)


def test_ignored_pixels_do_not_count(tmp_path: Path) -> None:
    ignore = np.zeros((H, W), np.uint8)
    ignore[:5] = 128
    truth = truth_of(tmp_path, ignore=ignore)
    assert truth.valid is not None
    assert np.count_nonzero(truth.valid) == 35 * W and not truth.valid[:5].any()


def test_the_band_is_where_the_trimap_is_unknown(tmp_path: Path) -> None:
    trimap = person()
    trimap[:, 7:10] = 128
    truth = truth_of(tmp_path, alpha=person(), trimap=trimap)
    assert truth.alpha is not None and truth.band is not None
    assert (truth.alpha == person()).all() and np.count_nonzero(truth.band) == 3 * H


def test_alphas_are_left_alone_unless_they_are_asked_for(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, with_alpha=False, alpha=person())
    assert truth.alpha is None


def test_a_person_free_image_needs_no_mask(tmp_path: Path) -> None:
    sample = Sample(id="a", prediction=person(), mask=None, row={"persons": 0})
    row = drawn_dataset(tmp_path, [sample]).table.to_pylist()[0]
    assert has_truth(row)
    truth = read_truth(row, folder=tmp_path, with_alpha=True)
    assert truth.mask.shape == (H, W) and not truth.mask.any()
    assert not has_truth(row | {"persons": None})


def test_a_label_of_another_size_is_broken(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match="30 x 10, the mask is 30 x 40") as caught:
        truth_of(tmp_path, ignore=np.zeros((10, W), np.uint8))
    assert caught.value.code is Code.SIZE_MISMATCH


def test_a_label_of_which_nothing_counts_is_broken(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match="every pixel is ignored") as caught:
        truth_of(tmp_path, ignore=np.full((H, W), 128, np.uint8))
    assert caught.value.code is Code.MASK_VALUES


def test_a_mask_with_other_values_is_broken(tmp_path: Path) -> None:
    row = drawn_dataset(tmp_path, [Sample(id="a", prediction=person(), mask=person())]).table.to_pylist()[0]
    put(tmp_path / "masks" / "a.png", png(person() // 2))
    with pytest.raises(BadRecord) as caught:
        read_truth(row, folder=tmp_path, with_alpha=True)
    assert caught.value.code is Code.MASK_VALUES


@pytest.mark.parametrize("column", ["mask", "ignore"])
def test_a_label_that_changed_since_it_was_made_is_broken(tmp_path: Path, column: str) -> None:
    sample = Sample(id="a", prediction=person(), mask=person(), files={"ignore": np.zeros((H, W), np.uint8)})
    (row,) = drawn_dataset(tmp_path, [sample]).table.to_pylist()
    row[f"{column}_sha256"] = sha256(tmp_path.joinpath(row[column]).read_bytes()).hexdigest()
    read_truth(row, folder=tmp_path, with_alpha=False)
    put(tmp_path / row[column], png(np.zeros((H, W), np.uint8)) + b"\0")
    with pytest.raises(BadRecord) as caught:
        read_truth(row, folder=tmp_path, with_alpha=False)
    assert (caught.value.code, caught.value.field) == (Code.CHECKSUM, f"{column}_sha256")


def test_a_path_out_of_the_dataset_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(BadRecord) as caught:
        row = {"mask": "../secret.png", "persons": 1, "width": W, "height": H}
        read_truth(row, folder=tmp_path, with_alpha=True)
    assert caught.value.code is Code.PATH_ESCAPE
