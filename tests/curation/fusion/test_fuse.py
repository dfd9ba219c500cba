"""One fused picture against a person that was drawn, and by laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.fusion.fuse import FusionRules, fuse, generator_for
from curation.matting.composite import colours_of_masked, composite, soft_alpha
from tests.curation.fusion.fusion_truth import by_the_source, drawn_truth, halo, soft_error, texture

PLAIN = FusionRules(place=False, match_light=False, soften=False)
seeds = st.integers(0, 2**32 - 1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def plainly_fused(seed: int, *, estimate: bool = True) -> np.ndarray:
    """Fuse on a background that fills the frame exactly, so that no crop hides what lies where."""
    truth = drawn_truth(seed)
    flat = np.broadcast_to(truth.new[:1, :1], truth.new.shape)
    rules = FusionRules(place=False, match_light=False, soften=False, estimate=estimate)
    return fuse(truth.photograph, alpha=truth.alpha, background=np.array(flat), rules=rules, rng=rng()).image


@pytest.mark.parametrize("seed", range(3))
def test_sure_pixels_are_the_person_or_the_background_to_less_than_a_grey_level(seed: int) -> None:
    truth, result = drawn_truth(seed), plainly_fused(seed)
    assert np.array_equal(result[truth.alpha == 255], truth.photograph[truth.alpha == 255])
    assert (result[truth.alpha == 0] == truth.new[0, 0]).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_soft_edge_has_a_third_of_the_error_of_the_source_and_no_halo(seed: int) -> None:
    truth = drawn_truth(seed)
    flat = np.array(np.broadcast_to(truth.new[:1, :1], truth.new.shape))
    known = type(truth)(person=truth.person, alpha=truth.alpha, old=truth.old, new=flat)
    ours, observed = plainly_fused(seed), plainly_fused(seed, estimate=False)
    source = by_the_source(truth.photograph, alpha=truth.alpha, background=flat)
    assert soft_error(ours, truth=known) <= soft_error(source, truth=known) / 3
    assert halo(observed, truth=known) == pytest.approx(1, abs=0.02)
    assert abs(halo(ours, truth=known)) < 0.2


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_a_generator_decides_everything(seed: int) -> None:
    truth = drawn_truth(1)
    rules = FusionRules(estimate=False)
    first, second = (
        fuse(truth.photograph, alpha=truth.alpha, background=truth.new, rules=rules, rng=rng(seed)) for _ in range(2)
    )
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.alpha, second.alpha)
    assert first.recipe == second.recipe


def test_a_rule_that_is_off_changes_no_other_draw() -> None:
    truth = drawn_truth(1)
    recipes = [
        fuse(truth.photograph, alpha=truth.alpha, background=truth.new, rules=rules, rng=rng(3)).recipe
        for rules in (FusionRules(estimate=False), FusionRules(estimate=False, place=False, soften=False))
    ]
    assert recipes[0].light == recipes[1].light
    assert recipes[0].quality == recipes[1].quality
    assert (recipes[1].placement, recipes[1].blur_px) == (None, 0)


def test_seed_id_and_number_each_change_what_is_drawn() -> None:
    names = [("a", 0, 1), ("b", 0, 1), ("a", 1, 1), ("a", 0, 2)]
    drawn = {generator_for(id_, seed=seed, number=number).random() for id_, seed, number in names}
    assert len(drawn) == len(names)
    assert generator_for("a", seed=0, number=1).random() in drawn


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_a_person_cut_off_below_stays_cut_off_below(seed: int) -> None:
    truth = drawn_truth(1)
    alpha = np.zeros_like(truth.alpha)
    alpha[80:, 40:110] = 255
    rules = FusionRules(estimate=False)
    fused = fuse(truth.photograph, alpha=alpha, background=truth.new, rules=rules, rng=rng(seed))
    assert (fused.alpha[-1] > 127).any()
    assert (fused.alpha[0] == 0).all()


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 3))
def test_a_narrow_rim_of_the_photograph_does_not_make_a_person_float(seed: int, rim: int) -> None:
    truth = drawn_truth(1)
    alpha = np.zeros_like(truth.alpha)
    alpha[80:-rim, 40:110] = 255
    fused = fuse(truth.photograph, alpha=alpha, background=truth.new, rules=FusionRules(estimate=False), rng=rng(seed))
    assert (fused.alpha[-2] > 127).any()


def test_the_softened_outline_of_a_mask_is_half_at_the_same_place() -> None:
    mask = np.zeros((600, 800), np.uint8)
    mask[200:, 300:500] = 255
    alpha = soft_alpha(mask)
    assert np.array_equal(alpha > 127, mask > 127) or np.count_nonzero((alpha > 127) != (mask > 127)) < 20
    assert (alpha[-1, 310:490] == 255).all()
    assert 0 < np.count_nonzero((alpha > 0) & (alpha < 255)) < 0.03 * alpha.size


def test_a_mask_that_runs_beyond_the_person_carries_no_rim_along() -> None:
    """The person is bright, the old background black; the mask takes two pixels of the black with it."""
    person = np.zeros((300, 200), np.uint8)
    person[100:, 50:150] = 255
    photograph = np.repeat(np.where(person > 0, np.uint8(220), np.uint8(0))[:, :, None], 3, axis=2)
    mask = np.zeros_like(person)
    mask[98:, 48:152] = 255
    white = np.full_like(photograph, 255)
    rim = (mask > 0) & (person == 0)
    with_rim = composite(photograph, alpha=soft_alpha(mask), background=white)
    without = composite(colours_of_masked(photograph, mask=mask), alpha=soft_alpha(mask), background=white)
    assert with_rim[rim].mean() < 100
    assert without[rim].min() > 180


def test_a_background_smaller_than_the_frame_fills_it() -> None:
    truth = drawn_truth(1)
    small = texture(rng(0), size=(100, 80), low=50, high=60)
    fused = fuse(truth.photograph, alpha=truth.alpha, background=small, rules=PLAIN, rng=rng(0))
    outside = fused.image[truth.alpha == 0]
    assert outside.min() >= small.min() and outside.max() <= small.max()
