import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.evaluation.self_test import REQUIRED_AUC, SelfTest, self_test, share_as_strong


@pytest.mark.parametrize("seed", range(5))
def test_the_area_under_the_curve_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain, planted = rng.integers(0, 8, 30), rng.integers(2, 10, 30)  # many ties
    found = self_test(plain.tolist(), planted.tolist(), rng=rng)
    truth = roc_auc_score([0] * 30 + [1] * 30, [*plain, *planted])
    assert found.auc == pytest.approx(truth)
    assert found.low < found.auc < found.high
    assert found.images == 30


def test_the_interval_covers_the_true_area_as_often_as_it_says() -> None:
    # of two normal distributions, d apart: AUC = Phi(d / sqrt(2)) = 0.9 for d = 1.812
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        test = self_test(rng.normal(0, 1, 40).tolist(), rng.normal(1.812, 1, 40).tolist(), rng=rng)
        covered += test.low <= 0.9 <= test.high
    assert covered >= 50


def test_the_same_draw_gives_the_same_interval() -> None:
    one, two = (self_test([1, 2, 3, 4], [2, 5, 1, 7], rng=np.random.default_rng(3)) for _ in range(2))
    assert one == two


def test_a_model_passes_from_the_required_area_on() -> None:
    facts = {"low": 0.0, "high": 1.0, "images": 9}
    assert SelfTest(auc=REQUIRED_AUC, **facts).is_passed
    assert not SelfTest(auc=REQUIRED_AUC - 1e-9, **facts).is_passed
    assert str(SelfTest(auc=0.9, **facts)) == "AUC 0.90 (95% interval 0.00 to 1.00, 9 images)"


def test_of_clean_images_a_share_is_at_most_so_often_below_a_share() -> None:
    rng = np.random.default_rng(0)
    shares = [share_as_strong(rng.random(), clean=rng.random(19).tolist()) for _ in range(2000)]
    assert np.mean(np.array(shares) <= 0.05) == pytest.approx(0.05, abs=0.02)
    assert min(shares) == 1 / 20
