"""The label of several teachers, on small pictures whose numbers are worked out by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from labeling.teachers.plan_prelabels import Answers
from labeling.teachers.teacher_label import KeepRules, TeacherLabel, mean_of, teacher_label

RULES = KeepRules(agreement=0.9, support=0.2)


def person(*, top: int = 20, left: int = 30, right: int = 70) -> np.ndarray:
    mask = np.zeros((100, 100), np.uint8)
    mask[top:90, left:right] = 255
    return mask


def picture(mask: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None] > 0, np.uint8(200), np.uint8(40)).repeat(3, axis=2)


def label(*answers: np.ndarray, image: np.ndarray | None = None, views: float | None = None) -> TeacherLabel:
    shown = picture(person()) if image is None else image
    return teacher_label(shown, answers=answers, alphas=[], views=views, rules=RULES)


def test_the_label_is_the_mean_cut_at_one_half() -> None:
    sure, unsure = np.array([[200, 200, 10]], np.uint8), np.array([[60, 54, 10]], np.uint8)
    found = label(sure, unsure, image=np.zeros((1, 3, 3), np.uint8))
    assert found.mean.tolist() == [[130, 127, 10]]
    assert found.mask.tolist() == [[255, 0, 0]]


def test_the_mean_is_rounded_as_exact_numbers_are() -> None:
    rng = np.random.default_rng(0)
    answers = [rng.integers(0, 256, (20, 30), dtype=np.uint8) for _ in range(3)]
    expected = np.floor(np.mean(answers, axis=0, dtype=np.float64) + 0.5)
    assert np.array_equal(mean_of(answers), expected)
    assert np.array_equal(mean_of(answers), mean_of(answers[::-1]))


def test_agreement_is_the_mean_miou_of_all_pairs() -> None:
    first, second, third = person(), person(top=27), person(top=34)  # 70, 63 and 56 rows of 40 pixels, of 10,000
    found = label(first, second, third)

    def miou(small: int, large: int) -> float:
        return (small / large + (10_000 - large) / (10_000 - small)) / 2

    pairs = [miou(2520, 2800), miou(2240, 2800), miou(2240, 2520)]
    assert found.agreement == pytest.approx(np.mean(pairs))


def test_of_one_teacher_its_views_agree_or_not() -> None:
    assert label(person(), views=0.05).agreement == pytest.approx(0.95)
    assert label(person(), views=0.05).doubt is None
    assert label(person(), views=0.2).doubt == "disagreement"


def test_a_mask_of_nobody_or_of_everything_is_never_a_label_however_much_all_agree() -> None:
    nothing, everything = np.zeros((100, 100), np.uint8), np.full((100, 100), 255, np.uint8)
    assert (label(nothing, nothing).agreement, label(nothing, nothing).doubt) == (1.0, "nobody")
    assert (label(everything, everything).agreement, label(everything, everything).doubt) == (1.0, "everywhere")


def test_an_outline_away_from_the_edges_is_for_people() -> None:
    assert label(person(), person()).doubt is None
    shifted = np.roll(person(), 15, axis=1)
    assert label(shifted, shifted).doubt == "outline"


def test_the_alpha_is_that_of_the_teachers_that_give_alphas() -> None:
    soft = cv2.GaussianBlur(person(), (9, 9), 0)
    image = picture(person())
    found = teacher_label(image, answers=[person(), soft], alphas=[soft], views=None, rules=RULES)
    assert found.alpha is not None and np.array_equal(found.alpha, soft)


def test_a_single_teacher_without_a_finite_view_gives_no_answer() -> None:
    assert Answers(files=[Path("a.png")], views=None).are_missing
    assert not Answers(files=[Path("a.png")], views=0.1).are_missing
    assert Answers(files=[Path("a.png"), None], views=None).are_missing
    assert not Answers(files=[Path("a.png"), Path("b.png")], views=None).are_missing
