"""A second person behind the first, against values worked out by hand, and by laws."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.fusion import second_person as fusion_second
from curation.fusion.framing import background_for
from curation.fusion.fuse import FusionRules, Recipe, Scene, finished, fuse, generator_for, staged
from curation.fusion.light import light_matched, softened
from curation.fusion.placement import Placement, draw_placement, fitted, placed
from curation.fusion.second_person import joint_alpha, with_second
from curation.fusion.standing import shot_of
from curation.fusion.texture import texture_matched
from curation.images.pixels import Alpha, Image
from tests.curation.fusion.fusion_truth import blended, drawn_truth

seeds = st.integers(0, 2**32 - 1)
STAYS = Placement(is_flipped=False, scale=1.0, right_px=0.0, down_px=0.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(level: int, *, size: tuple[int, int]) -> Image:
    return np.full((*size, 3), level, np.uint8)


def scene_of(alpha: Alpha, *, level: int = 200, behind: int = 10) -> Scene:
    recipe = Recipe(placement=None, light=0.0, blur_px=0.0, quality=90)
    size = (alpha.shape[0], alpha.shape[1])
    return Scene(colours=flat(level, size=size), alpha=alpha, frame=flat(behind, size=size), whole=alpha, recipe=recipe)


def person(*, size: tuple[int, int] = (120, 100), at: tuple[int, int] = (50, 60), tall: int = 35) -> Alpha:
    """Draw a body with a head; `at` is the middle of the body, (x, y)."""
    alpha = np.zeros(size, np.uint8)
    cv2.ellipse(alpha, at, (tall // 2, tall), 0, 0, 360, 255, -1)
    cv2.circle(alpha, (at[0], at[1] - tall), tall // 3, 255, -1)
    return alpha


def test_two_flat_persons_are_laid_on_one_another_as_worked_out_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusion_second, "draw_placement", lambda _rng, *, alpha, shot: STAYS)
    first, second = np.zeros((40, 90), np.uint8), np.zeros((40, 90), np.uint8)
    first[10:, 40:60], first[10:, 30:40], first[10:, 60:65] = 255, 128, 128
    second[10:, 5:25], second[10:, 25:35], second[10:, 35:45], second[10:, 45:50] = 255, 128, 255, 128
    scene = with_second(scene_of(first), colours=flat(100, size=(40, 90)), alpha=second, rng=rng())
    result = finished(scene)
    # background 10, second 100, first 200: 10 + 90 * 128/255 = 55.2, 55 + 145 * 128/255 = 127.8, and so on
    expected = {0: (10, 0), 5: (100, 255), 25: (55, 128), 30: (128, 192), 35: (150, 255), 40: (200, 255)}
    expected |= {45: (200, 255), 50: (200, 255), 60: (105, 128), 65: (10, 0)}
    assert {x: (int(result.image[20, x, 0]), int(result.alpha[20, x])) for x in expected} == expected
    assert (result.image[:10] == 10).all() and (result.alpha[:10] == 0).all()
    assert result.recipe.second is not None and result.recipe.second.placement == STAYS


def test_the_joint_alpha_is_rounded_exactly_for_every_pair() -> None:
    levels = np.arange(256, dtype=np.uint8)
    one, other = (np.ascontiguousarray(grid) for grid in np.meshgrid(levels, levels))
    exact = 255 * (1 - (1 - one.astype(np.float64) / 255) * (1 - other.astype(np.float64) / 255))
    assert np.array_equal(joint_alpha(one, behind=other), np.rint(exact))


def test_a_picture_without_a_second_is_made_as_before_there_were_any() -> None:
    """The order of draws and steps, written down once more."""
    truth = drawn_truth(1)
    for seed in range(5):
        draws = generator_for("a", seed=seed, number=1)
        placement = draw_placement(draws, alpha=truth.alpha, shot=shot_of(truth.alpha))
        light, blur_px = float(draws.uniform(0, 0.4)), float(draws.uniform(0, 0.4))
        draws.integers(75, 96)
        frame = background_for(truth.new, size=(200, 150), rng=draws)
        colours, alpha = placed(truth.photograph, alpha=truth.alpha, placement=placement)
        colours = light_matched(colours, alpha=alpha, background=frame, strength=light)
        colours, alpha, frame = texture_matched(colours, alpha=alpha, frame=frame, rng=draws)
        laid = np.rint(blended(colours, alpha=alpha, background=frame)).astype(np.uint8)
        rules = FusionRules(estimate=False)
        for make in (fuse, lambda *given, **named: finished(staged(*given, **named))):
            draws = generator_for("a", seed=seed, number=1)
            made = make(truth.photograph, alpha=truth.alpha, background=truth.new, rules=rules, rng=draws)
            assert np.array_equal(made.image, softened(laid, sigma_px=blur_px))
            assert np.array_equal(made.alpha, alpha)


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from([(120, 100), (90, 160), (300, 200), (40, 40)]))
def test_a_second_is_scaled_evenly_and_not_cut_anew(seed: int, size: tuple[int, int]) -> None:
    """A disc with a neck below stays as wide as high, whatever the shape of its photograph."""
    disc = np.zeros((150, 220), np.uint8)
    cv2.circle(disc, (60, 90), 40, 255, -1)
    fit = fitted(np.repeat(disc[:, :, None], 3, axis=2), alpha=disc, size=size)
    assert fit is not None and fit.alpha.shape == size
    _, alpha = placed(fit.image, alpha=fit.alpha, placement=draw_placement(rng(seed), alpha=fit.alpha))
    high, wide = (np.count_nonzero((alpha > 127).any(axis=axis)) for axis in (1, 0))
    assert abs(high - wide) <= 2
    assert np.array_equal(fit.image[:, :, 0], fit.alpha)


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from(["left", "right", "bottom", "left bottom"]), st.sampled_from([(90, 160), (160, 90)]))
def test_a_side_that_is_cut_off_stays_at_its_edge_of_the_frame(seed: int, cut: str, size: tuple[int, int]) -> None:
    alpha = np.zeros((120, 120), np.uint8)
    rows = slice(50, 120 if "bottom" in cut else 100)
    columns = slice(0 if "left" in cut else 40, 120 if "right" in cut else 80)
    alpha[rows, columns] = 255
    fit = fitted(flat(90, size=(120, 120)), alpha=alpha, size=size)
    assert fit is not None
    place = draw_placement(rng(seed), alpha=fit.alpha)
    _, found = placed(fit.image, alpha=fit.alpha, placement=place)
    is_left = ("left" in cut and not place.is_flipped) or ("right" in cut and place.is_flipped)
    is_right = ("right" in cut and not place.is_flipped) or ("left" in cut and place.is_flipped)
    assert (found[:, 0].max() == 255) >= is_left
    assert (found[:, -1].max() == 255) >= is_right
    assert (found[-1].max() == 255) >= ("bottom" in cut)


@pytest.mark.parametrize(
    ("size", "fits"),
    [((100, 200), True), ((50, 100), True), ((200, 200), True), ((100, 100), True), ((90, 300), False)],
)
def test_who_is_cut_off_on_both_sides_fits_where_both_reach_an_edge(size: tuple[int, int], fits: bool) -> None:
    alpha = np.zeros((100, 200), np.uint8)
    alpha[40:90] = 255
    assert (fitted(flat(90, size=(100, 200)), alpha=alpha, size=size) is not None) == fits


def seconds_of(first: Alpha, second: Alpha) -> int:
    """Count in how many of ten drawn pictures a second person is seen behind the first."""
    before = scene_of(first)
    made = [with_second(before, colours=flat(90, size=second.shape[:2]), alpha=second, rng=rng(n)) for n in range(10)]  # type: ignore[arg-type]
    assert all((scene is before) == (scene.recipe.second is None) for scene in made)
    return sum(scene is not before for scene in made)


def test_a_second_who_would_hardly_be_seen_is_left_out() -> None:
    wall = np.full((120, 100), 255, np.uint8)
    wall[0] = 0
    assert seconds_of(person(at=(20, 85)), person()) > 0
    assert seconds_of(wall, person()) == 0


def test_a_second_who_stands_lower_or_looks_larger_is_not_put_behind() -> None:
    above = person(at=(20, 30), tall=15)
    assert seconds_of(above, person(at=(50, 100), tall=15)) == 0
    assert seconds_of(person(at=(15, 110), tall=10), person(tall=45)) == 0


def test_a_photograph_that_does_not_fit_or_shows_nobody_for_sure_changes_nothing() -> None:
    wide = np.zeros((60, 200), np.uint8)
    wide[20:50] = 255
    assert seconds_of(person(size=(120, 300)), wide[:, :200]) == 0
    assert seconds_of(person(), np.full((120, 100), 100, np.uint8)) == 0


def test_most_of_a_second_is_seen_and_the_first_is_as_before() -> None:
    first, second = person(at=(25, 85)), person(at=(50, 85), tall=25)
    for seed in range(10):
        scene = with_second(scene_of(first), colours=flat(90, size=(120, 100)), alpha=second, rng=rng(seed))
        result = finished(scene)
        assert (result.image[first == 255] == 200).all()
        assert (result.alpha >= first).all()
        if scene.recipe.second is not None:
            behind = placed(result.image, alpha=second, placement=scene.recipe.second.placement)[1] > 127
            assert np.count_nonzero(behind & (first == 0)) >= np.count_nonzero(behind) / 3
            assert (result.image[(first == 0) & behind].min()) > 10


def test_a_second_is_at_least_half_as_large_as_the_first() -> None:
    for tall in (12, 16, 30):
        second = person(at=(50, 90), tall=tall)
        for seed in range(6):
            scene = with_second(
                scene_of(person(at=(25, 80), tall=45)), colours=flat(90, size=(120, 100)), alpha=second, rng=rng(seed)
            )
            if scene.recipe.second is not None:
                assert scene.recipe.second.placement.scale * tall >= 0.5 * 45 - 3
