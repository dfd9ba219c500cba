from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.fusion.plant_persons import SHARES, CutOut, cut_out, draw_share, planted
from curation.fusion.read_photograph import Photograph
from curation.quarantine import BadRecord
from tests.models.drawn import Sample, drawn_dataset, person


def photograph(folder: Path, **where: int) -> Photograph:
    mask = person(size=(200, 150), **where)
    dataset = drawn_dataset(folder, [Sample(id="a", prediction=mask, mask=mask)])
    (row,) = dataset.table.to_pylist()
    return Photograph(folder=str(folder), row=row, label="mask")


def test_a_person_is_cut_out_along_her_box(tmp_path: Path) -> None:
    found = cut_out(photograph(tmp_path, left=40, right=100, top=80))
    assert found.alpha.shape == found.colours.shape[:2]
    assert found.alpha.shape == (pytest.approx(120, abs=2), pytest.approx(60, abs=2))
    assert found.is_cut_below
    assert found.colours[60, 30].tolist() == [255, 90, 90]


def test_a_photograph_that_changed_is_refused(tmp_path: Path) -> None:
    one = photograph(tmp_path, left=40, right=100, top=80)
    (tmp_path / "images" / "a.png").write_bytes(b"other")
    with pytest.raises(BadRecord):
        cut_out(one)


def white(*, height: int = 90, width: int = 60, is_cut_below: bool = False) -> CutOut:
    alpha = np.full((height, width), 255, np.uint8)
    return CutOut(colours=np.full((height, width, 3), 255, np.uint8), alpha=alpha, is_cut_below=is_cut_below)


@pytest.mark.parametrize("share", [0.01, 0.03, 0.1])
@pytest.mark.parametrize("is_cut_below", [True, False])
def test_a_planted_person_covers_her_share_and_nothing_else_changes(share: float, is_cut_below: bool) -> None:
    background = np.full((240, 320, 3), 50, np.uint8)
    person = white(is_cut_below=is_cut_below)
    found = planted(background, person=person, share=share, rng=np.random.default_rng(1))
    assert found is not None
    changed = (found != background).all(axis=2)
    assert changed.mean() == pytest.approx(share, rel=0.06)
    _x, y, w, h = cv2.boundingRect(changed.astype(np.uint8))
    assert w * h == changed.sum()
    assert h / w == pytest.approx(1.5, rel=0.1)
    assert (y + h == 240) == is_cut_below
    assert background.min() == background.max() == 50


def test_who_would_not_fit_or_be_enlarged_too_much_is_not_planted() -> None:
    background, rng = np.zeros((240, 320, 3), np.uint8), np.random.default_rng(0)
    assert planted(background, person=white(height=400, width=40), share=0.1, rng=rng) is None
    assert planted(background, person=white(height=30, width=20), share=0.1, rng=rng) is None


def test_shares_are_drawn_evenly_over_their_logarithm() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([draw_share(rng) for _ in range(2000)])
    assert shares.min() >= SHARES[0] and shares.max() <= SHARES[1]
    assert np.mean(shares < np.sqrt(SHARES[0] * SHARES[1])) == pytest.approx(0.5, abs=0.04)
