from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import InputRefused
from models.evaluation.gate import GateRules, decide, refuse_changed_sets
from models.evaluation.score_table import table_of_scores
from models.metrics import comparison
from tests.models.drawn import score_row

RULES = GateRules(min_images=4)


def table(miou: Sequence[float | None], *, areas: Sequence[float] | None = None, dataset: str = "d") -> pa.Table:
    rows = [
        score_row(
            f"{number:03}",
            dataset=dataset,
            miou=value,
            is_finite=value is not None,
            person_area=0.5 if areas is None else areas[number],
        )
        for number, value in enumerate(miou)
    ]
    return table_of_scores(rows)


def test_a_constant_gain_is_promoted_with_the_numbers_it_rests_on() -> None:
    # every resample of a constant is that constant, so the interval is known
    found = decide(table([0.5, 0.6, 0.7, 0.8]), challenger=table([0.6, 0.7, 0.8, 0.9]), rules=RULES)
    assert (found.is_promoted, found.reason) == (True, "gain")
    assert found.overall.difference == pytest.approx(0.1)
    assert (found.overall.low, found.overall.high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert "+0.1000 mIoU on 4 images" in found.sentence
    assert found.offences == ()


def test_a_constant_loss_is_refused_and_names_the_images_the_worst_first() -> None:
    found = decide(table([0.5, 0.9, 0.7, 0.8]), challenger=table([0.45, 0.5, 0.58, 0.7]), rules=RULES)
    assert (found.is_promoted, found.reason) == (False, "loss")
    assert [(one.id, one.champion, one.challenger) for one in found.offences] == [
        ("001", 0.9, 0.5),
        ("002", 0.7, 0.58),
        ("003", 0.8, 0.7),
        ("000", 0.5, 0.45),
    ]


def test_a_small_loss_is_promoted_only_where_it_is_allowed() -> None:
    champion, challenger = table([0.5, 0.6, 0.7, 0.8]), table([0.49, 0.59, 0.69, 0.79])
    assert decide(champion, challenger=challenger, rules=RULES).reason == "loss"
    allowed = GateRules(min_images=4, max_loss=0.02)
    assert decide(champion, challenger=challenger, rules=allowed).reason == "no_loss"
    assert not decide(champion, challenger=challenger, rules=GateRules(min_images=4, max_loss=0.005)).is_promoted


def test_a_gain_smaller_than_asked_for_is_not_promoted() -> None:
    champion, challenger = table([0.5] * 6), table([0.51] * 6)
    assert decide(champion, challenger=challenger, rules=GateRules(min_images=4, min_gain=0.02)).reason == "no_gain"
    assert decide(champion, challenger=challenger, rules=GateRules(min_images=4, min_gain=0.005)).is_promoted


def test_a_gain_that_could_be_chance_is_not_promoted() -> None:
    champion = table([0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    found = decide(champion, challenger=table([0.9, 0.3, 0.8, 0.2, 0.7, 0.4]), rules=RULES)
    assert found.reason == "no_gain"
    assert found.overall.difference == pytest.approx(0.05)


def test_a_slice_that_loses_too_much_refuses_a_model_that_is_better_overall() -> None:
    areas = [0.02] * 4 + [0.6] * 20
    champion = table([0.6] * 24, areas=areas)
    challenger = table([0.5] * 4 + [0.8] * 20, areas=areas)
    found = decide(champion, challenger=challenger, rules=RULES, slices=["size"])
    assert (found.is_promoted, found.reason) == (False, "slice_loss")
    assert "size tiny by 0.1000" in found.sentence
    assert {one.id for one in found.offences} == {"000", "001", "002", "003"}
    assert {one.slices for one in found.offences} == {("size tiny",)}
    fewer = GateRules(min_images=5)
    assert decide(champion, challenger=challenger, rules=fewer, slices=["size"]).is_promoted


def test_of_a_model_that_is_worse_it_is_said_first_that_it_is_worse() -> None:
    """Slices that lose too much come after, the largest loss first, and the images named are the worst of all."""
    areas = [0.02] * 8 + [0.6] * 8
    challenger = table([0.5] * 8 + [0.3] * 8, areas=areas)
    found = decide(table([0.6] * 16, areas=areas), challenger=challenger, rules=RULES, slices=["size"])
    assert (found.is_promoted, found.reason) == (False, "loss")
    assert found.sentence.startswith("The challenger is worse: -0.2000 mIoU on 16 images")
    assert found.sentence.index("size large by 0.3000") < found.sentence.index("size tiny by 0.1000")
    assert {one.id for one in found.offences[:8]} == {f"{number:03}" for number in range(8, 16)}


def test_each_data_set_is_a_slice_where_there_are_several() -> None:
    champion = pa.concat_tables([table([0.6] * 4, dataset="a"), table([0.6] * 20, dataset="b")])
    challenger = pa.concat_tables([table([0.5] * 4, dataset="a"), table([0.8] * 20, dataset="b")])
    found = decide(champion, challenger=challenger, rules=RULES)
    assert [(one.name, one.value) for one in found.slices if one.loses] == [("data set", "a")]
    assert not found.is_promoted


def test_a_prediction_that_is_not_finite_counts_as_zero() -> None:
    champion = table([0.5, 0.5, 0.5, 0.5, 0.4])
    left_out = decide(champion, challenger=table([0.55, 0.55, 0.55, 0.55, None]), rules=RULES)
    assert left_out.overall.images == 5
    assert left_out.overall.difference == pytest.approx((4 * 0.05 - 0.4) / 5)
    assert not left_out.is_promoted
    assert left_out.offences[0].id == "004"


def test_too_few_images_decide_nothing() -> None:
    found = decide(table([0.1, 0.1]), challenger=table([0.9, 0.9]), rules=RULES)
    assert (found.is_promoted, found.reason) == (False, "too_few")


def test_scores_of_other_images_are_refused() -> None:
    with pytest.raises(InputRefused, match=r"1 have a score of one alone, e\.g\. 003"):
        decide(table([0.5] * 4), challenger=table([0.5] * 3), rules=RULES)


mious = st.lists(st.floats(0, 1), min_size=4, max_size=30)


@settings(max_examples=30, deadline=None)
@given(mious, st.floats(0, 1))
def test_a_model_is_never_promoted_against_itself(miou: list[float], allowed: float) -> None:
    rules = GateRules(min_images=4, max_loss=allowed)
    found = decide(table(miou), challenger=table(miou), rules=rules)
    assert (found.is_promoted, found.reason) == (False, "same")


@settings(max_examples=30, deadline=None)
@given(mious, st.integers(0, 2**32 - 1))
def test_the_comparison_is_antisymmetric_and_no_two_models_are_both_better(miou: list[float], seed: int) -> None:
    other = np.random.default_rng(seed).uniform(size=len(miou)).tolist()
    there = decide(table(miou), challenger=table(other), rules=RULES)
    back = decide(table(other), challenger=table(miou), rules=RULES)
    for one, mirrored in (
        (there.overall.difference, back.overall.difference),
        (there.overall.low, back.overall.high),
        (there.overall.high, back.overall.low),
    ):
        assert one is not None
        assert mirrored is not None
        assert one == pytest.approx(-mirrored, abs=1e-12)
    assert not (there.is_promoted and back.is_promoted)


def test_more_gain_never_turns_a_promotion_into_a_refusal() -> None:
    rng = np.random.default_rng(3)
    before, change = rng.uniform(0.4, 0.6, 40), rng.normal(0.03, 0.05, 40)
    outcomes = [
        decide(table(before.tolist()), challenger=table((before + change + lift).tolist()), rules=RULES).is_promoted
        for lift in np.linspace(-0.1, 0.1, 21)
    ]
    assert outcomes == sorted(outcomes)
    assert len(set(outcomes)) == 2


def test_models_that_are_equally_good_are_rarely_promoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a 95 % interval 2.5 % should lie above 0; the percentile bootstrap of few, skewed numbers gives a bit more."""
    monkeypatch.setattr(comparison, "RESAMPLES", 500)
    rng = np.random.default_rng(0)
    trials, promoted = 300, 0
    for _ in range(trials):
        before = rng.beta(8, 2, 40)
        noise = rng.standard_t(3, 40) * 0.03  # heavy tails, as differences of two trainings have; of mean 0
        challenger = table((before + noise).tolist())
        promoted += decide(table(before.tolist()), challenger=challenger, rules=RULES, slices=[]).is_promoted
    print(f"promoted {promoted} of {trials} equal models: {promoted / trials:.1%}")
    # 2.5 % of 300 are 7.5; twice that and three standard deviations are far beyond chance
    assert promoted <= 18


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ({"min_gain": -0.1}, "min_gain"),
        ({"max_loss": 2.0}, "max_loss"),
        ({"max_slice_loss": float("nan")}, "max_slice_loss"),
        ({"confidence": 1.0}, "confidence"),
        ({"min_images": 1}, "min_images"),
    ],
)
def test_rules_that_decide_nothing_are_refused(rules: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        GateRules(**rules)  # type: ignore[arg-type]


def test_a_changed_test_set_is_refused_naming_its_samples() -> None:
    refuse_changed_sets({"t": {"a": "1"}}, found={"t": {"a": "1"}, "u": {"a": "2"}})
    with pytest.raises(InputRefused, match="another label, image or group: a; new in it: b") as told:
        refuse_changed_sets({"t": {"a": "1"}}, found={"t": {"a": "2", "b": "1"}})
    assert (told.value.where, told.value.exit_code) == ("t", 4)
    with pytest.raises(InputRefused, match="not measured on"):
        refuse_changed_sets({"t": {"a": "1"}}, found={})
