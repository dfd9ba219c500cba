from __future__ import annotations

import cv2
import numpy as np
import pymatting
import pytest

from curation.images.faces import Face
from curation.images.pixels import Alpha, Image
from curation.matting.band import band_of
from curation.matting.closed_form import Prior, _pull, _weight, _whitened, closed_form_alpha
from curation.matting.from_mask import matting_trimap, prior_of_mask
from curation.matting.matte import MattingRules, Method, band_px, matte, trimap_from_values
from curation.matting.solve_band import Equations, solve
from curation.quarantine import BadRecord, Code

H, W = 96, 80


def drawn(*, height: int = H, width: int = W) -> tuple[Image, Alpha]:
    """Return a smooth person on a smooth background with a soft edge, and the true alpha."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    truth = np.clip((height / 3 - np.hypot(y - height * 0.6, x - width / 2)) * 0.25 * 96 / height + 0.5, 0, 1)
    person = np.stack([200 + 20 * np.sin(y / 9), 120 + x * 0.2, 90 + 0 * x], axis=-1)
    behind = np.stack([30 + 0 * x, 60 + y * 0.2, 150 + 20 * np.sin(x / 7)], axis=-1)
    mixed = truth[..., None] * person + (1 - truth[..., None]) * behind + rng.normal(0, 1, (height, width, 3))
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8), np.rint(truth * 255).astype(np.uint8)


def trimap_of(truth: Alpha) -> Alpha:
    side = np.ones((5, 5), np.uint8)
    soft = cv2.dilate(np.asarray((truth > 0) & (truth < 255), np.uint8), side) > 0
    return np.where(soft, 128, np.where(truth == 255, 255, 0)).astype(np.uint8)


def test_the_closed_form_agrees_with_pymatting() -> None:
    image, truth = drawn()
    trimap = trimap_of(truth)
    plain = pymatting.estimate_alpha_cf(image / 255.0, np.where(trimap == 128, 0.5, trimap / 255.0))
    assert np.abs(closed_form_alpha(image, trimap=trimap) - plain).mean() < 0.001


@pytest.mark.parametrize("method", ["cf", "knn", "lbdm", "rw"])
def test_every_solver_comes_near_a_known_alpha_and_keeps_what_is_sure(method: Method) -> None:
    image, truth = drawn()
    trimap = trimap_of(truth)
    alpha = matte(image, trimap=trimap, rules=MattingRules(method=method))
    unknown = trimap == 128
    guess = np.abs(128.0 - truth)[unknown].mean()
    assert np.abs(alpha.astype(float) - truth)[unknown].mean() < guess / 3
    assert np.array_equal(alpha[~unknown], trimap[~unknown])


def test_a_size_that_is_capped_keeps_what_is_sure_exact_and_the_rest_near() -> None:
    image, truth = drawn(height=384, width=320)
    trimap = trimap_of(truth)
    alpha = matte(image, trimap=trimap, rules=MattingRules(max_pixels=20_000))
    unknown = trimap == 128
    assert np.array_equal(alpha[~unknown], trimap[~unknown])
    assert np.abs(alpha.astype(float) - truth)[unknown].mean() < 12


def test_the_more_a_prior_weighs_the_nearer_the_alpha_is_to_it() -> None:
    image, truth = drawn()
    trimap = trimap_of(truth)
    unknown = trimap == 128
    expected = np.where(trimap == 0, 0, np.where(trimap == 255, 255, 77)).astype(np.uint8)
    found = [
        matte(image, trimap=trimap, prior=Prior(alpha=expected, weight=weight)).astype(float)
        for weight in (1e-9, 0.03, 1, 1e6)
    ]
    off = [np.abs(one - expected)[unknown].mean() for one in found]
    assert off == sorted(off, reverse=True) and off[-1] <= 1
    assert np.abs(found[0] - matte(image, trimap=trimap)).max() <= 1


def test_a_prior_is_brought_to_the_size_that_is_solved() -> None:
    image, truth = drawn(height=384, width=320)
    prior = Prior(alpha=truth, weight=1e6)
    alpha = matte(image, trimap=trimap_of(truth), prior=prior, rules=MattingRules(max_pixels=20_000))
    assert np.abs(alpha.astype(float) - truth).mean() < 3


def test_the_band_is_widest_around_the_heads_that_faces_show_and_leans_with_them() -> None:
    mask = np.zeros((800, 600), np.uint8)
    cv2.rectangle(mask, (100, 40), (500, 799), 255, cv2.FILLED)
    upright = face(chin=(300, 300), eyes=(300, 220))
    widths = {faces: (matting_trimap(mask, faces=faces) == 128).sum(axis=1) for faces in ((), (upright,))}
    assert widths[()][150] == widths[()][700] and widths[(upright,)][700] < widths[()][700]
    beside = face(chin=(100, 300), eyes=(100, 220))
    there = (matting_trimap(mask, faces=[beside]) == 128).sum(axis=1)
    assert there[250] > 1.4 * there[700] and there[250] > widths[()][250]
    lying = face(chin=(100, 300), eyes=(20, 300))  # its head is left of the chin, so not above it
    assert (matting_trimap(mask, faces=[lying]) == 128).sum(axis=1)[130] == there[700]


def face(*, chin: tuple[float, float], eyes: tuple[float, float]) -> Face:
    return Face(box=(0, 0, 9, 9), confidence=1, eyes=(eyes, eyes), mouth=eyes, chin=chin, is_chin_seen=True)


def test_the_prior_of_a_mask_is_one_half_on_its_outline_and_sure_away_from_it() -> None:
    mask = np.zeros((800, 600), np.uint8)
    mask[:, 300:] = 255
    alpha = prior_of_mask(mask).alpha
    assert alpha[400, 299] + alpha[400, 300] == 255 and alpha[400, 290] == 0 and alpha[400, 310] == 255


def test_weights_of_a_window_sum_to_nothing_and_are_those_of_the_formula() -> None:
    colours = np.random.default_rng(0).random((3, 9, 1))
    white = _whitened(colours)
    parts = np.array([[_weight(white, one, other)[0] for other in range(9)] for one in range(9)])
    points = colours[..., 0].T
    covariance = np.cov(points.T, bias=True) + np.eye(3) * 1e-7 / 9
    centred = points - points.mean(axis=0)
    formula = np.eye(9) - (1 + centred @ np.linalg.inv(covariance) @ centred.T) / 9
    assert np.allclose(parts, formula, atol=1e-9)
    assert np.allclose(parts.sum(axis=0), 0, atol=1e-9)
    foreground = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0], float)
    assert np.allclose(_pull(white, foreground=foreground[:, None])[:, 0], formula @ foreground, atol=1e-9)


def ring() -> np.ndarray:
    """Draw a ring that is 11 pixels thick."""
    circle = np.zeros((120, 140), np.uint8)
    cv2.circle(circle, (70, 60), 50, 1, 9)
    return circle > 0


@pytest.mark.parametrize("case", ["ring", "open", "apart", "specks", "whole", "edge"])
def test_pixels_of_a_band_are_numbered_once_and_those_that_share_equations_are_near(case: str) -> None:
    unknown = ring()
    if case == "open":
        unknown[:, :70] &= np.arange(120)[:, None] < 60
    elif case == "apart":  # two halves, two pixels apart: they share equations, and touch nowhere
        unknown[60] = False
    elif case == "specks":
        unknown = np.random.default_rng(0).random(unknown.shape) < 0.02
    elif case == "whole":
        unknown[:] = True
    elif case == "edge":
        unknown = np.zeros_like(unknown)
        unknown[[0, -1], :] = unknown[:, [0, -1]] = True
    band = band_of(unknown)
    assert np.array_equal(np.sort(band.numbers[band.places]), np.arange(unknown.sum())) and unknown[band.pixels].all()
    numbers = band.numbers.reshape(124, 144)
    inside = np.where(numbers < band.size, numbers, -1)
    apart = 0
    for y, x in ((0, 1), (0, 2), (1, -2), (1, -1), (1, 0), (1, 1), (1, 2), (2, -2), (2, -1), (2, 0), (2, 1), (2, 2)):
        there = np.roll(inside, (-y, -x), axis=(0, 1))
        both = (inside >= 0) & (there >= 0)
        apart = max(apart, int(np.abs(inside - there)[both].max()))
    # at most two steps apart, so on three steps of the band, each as long as it is thick, slantwise; on both ways round
    assert case in {"specks", "whole"} or apart < 2 * 3 * 11 * 2**0.5


@pytest.mark.parametrize("widest", [0, 160])
def test_both_ways_to_solve_give_the_solution(widest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.matting.solve_band.WIDEST", widest)
    rng = np.random.default_rng(1)
    root = np.tril(rng.random((30, 30))) * (np.abs(np.subtract.outer(range(30), range(30))) < 4) + np.eye(30)
    matrix, wanted = root @ root.T, rng.random(30)
    rows, columns = np.nonzero(np.tril(matrix))
    found = solve(Equations(rows=rows, columns=columns, values=matrix[rows, columns], right=matrix @ wanted))
    assert np.allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize(
    ("values", "said"),
    [((0, 128), "certain person"), ((255, 128), "certain background"), ((0, 255), "no pixel is unknown")],
)
def test_a_trimap_that_lacks_something_is_refused_with_what_it_lacks(values: tuple[int, int], said: str) -> None:
    trimap = np.full((H, W), values[0], np.uint8)
    trimap[: H // 2] = values[1]
    with pytest.raises(BadRecord, match=said) as refused:
        matte(drawn()[0], trimap=trimap)
    assert refused.value.code is Code.TRIMAP and "128 the rest" in refused.value.hint


def test_a_trimap_of_another_size_is_refused() -> None:
    with pytest.raises(BadRecord) as refused:
        matte(drawn()[0], trimap=np.zeros((3, 3), np.uint8))
    assert refused.value.code is Code.SIZE_MISMATCH


def test_equations_without_solution_are_a_bad_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> None:
        raise ValueError("did not converge")

    monkeypatch.setattr("curation.matting.matte.closed_form_alpha", nothing)
    image, truth = drawn()
    with pytest.raises(BadRecord, match="did not converge"):
        matte(image, trimap=trimap_of(truth))


def test_trimaps_are_read_in_all_ways_in_use_and_others_refused() -> None:
    wanted = [[0, 128, 255]]
    for stored in ([[0, 1, 2]], [[0, 102, 255]], [[0, 127, 255]], [[0, 128, 255]]):
        assert trimap_from_values(np.array(stored, np.uint8), file="t").tolist() == wanted
    with pytest.raises(BadRecord, match="4 different values"):
        trimap_from_values(np.array([[0, 7, 128, 255]], np.uint8), file="t")


def test_the_band_grows_with_the_person() -> None:
    small, large = (np.zeros((1000, 100), np.uint8) for _ in range(2))
    small[:400, 20:80] = large[:800, 20:80] = 255
    assert (band_px(small), band_px(large)) == (8, 15)
    assert (matting_trimap(large) == 128).sum() > (matting_trimap(small) == 128).sum()
