from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage import measure

from models.metrics.matting import MattingErrors, connection_level, error_maps, gradient_size


def errors(prediction: np.ndarray, truth: np.ndarray, where: np.ndarray | None = None) -> MattingErrors:
    found = error_maps(prediction.astype(np.float32), truth=truth).over(where)
    assert found is not None
    return found


def random_alphas(*, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    one, other = (ndimage.gaussian_filter(rng.random((40, 30)), 2) for _ in range(2))
    one, other = ((alpha - alpha.min()) / np.ptp(alpha) for alpha in (one, (one + other) / 2))
    return one.astype(np.float32), np.rint(other * 255).astype(np.uint8)


def test_sad_and_mse_worked_by_hand() -> None:
    truth = np.uint8([[0, 51], [204, 255]])  # 0, 0.2, 0.8, 1
    prediction = np.array([[0.1, 0.2], [0.5, 1.0]])
    found = errors(prediction, truth)
    assert found.sad == pytest.approx(0.4 / 1000)
    assert found.mse == pytest.approx((0.01 + 0.09) / 4)
    in_band = errors(prediction, truth, np.array([[True, True], [False, False]]))
    assert in_band.sad == pytest.approx(0.1 / 1000)
    assert in_band.mse == pytest.approx(0.01 / 2)


def test_a_perfect_alpha_has_no_error() -> None:
    _, truth = random_alphas(seed=1)
    assert errors(truth / 255, truth) == pytest.approx(MattingErrors(sad=0, mse=0, gradient=0, connectivity=0), abs=0)


def test_an_empty_band_has_no_errors_to_give() -> None:
    alpha = np.zeros((4, 4), np.uint8)
    assert error_maps(alpha.astype(np.float32), truth=alpha).over(alpha > 0) is None


def test_the_gradient_is_a_convolution_with_a_kernel_of_norm_one() -> None:
    alpha, _ = random_alphas(seed=2)
    steps = np.arange(-4, 5)  # sqrt(-2 ln(sqrt(2 pi) 1.4 0.01)) 1.4 = 3.6 pixels
    bell = np.exp(-(steps**2) / (2 * 1.4**2)) / (1.4 * np.sqrt(2 * np.pi))
    kernel = bell[:, None] * (-steps * bell / 1.4**2)[None, :]
    kernel /= np.sqrt((kernel**2).sum())
    across = ndimage.convolve(alpha.astype(np.float64), kernel, mode="nearest")
    down = ndimage.convolve(alpha.astype(np.float64), kernel.T, mode="nearest")
    assert gradient_size(alpha) == pytest.approx(np.hypot(across, down), abs=1e-5)


def test_the_gradient_error_is_the_sum_of_squared_differences() -> None:
    alpha, truth = random_alphas(seed=3)
    expected = (gradient_size(alpha) - gradient_size(truth.astype(np.float32) / 255)) ** 2
    assert errors(alpha, truth).gradient == pytest.approx(expected.sum() / 1000, rel=1e-4)


def test_the_gradient_of_a_flat_alpha_is_zero_up_to_the_edge() -> None:
    assert gradient_size(np.full((20, 20), 0.5, np.float32)) == pytest.approx(np.zeros((20, 20)), abs=1e-6)


def test_connectivity_of_an_island_worked_by_hand() -> None:
    # Both alphas share a block of three ones. The truth has an island of 0.8 apart from it, the prediction has 0.5
    # there: the island is lost at the first level, so that its distances are 0.8 and 0.5.
    truth, prediction = np.zeros((1, 7), np.uint8), np.zeros((1, 7))
    truth[0, :3], prediction[0, :3] = 255, 1
    truth[0, 5], prediction[0, 5] = 204, 0.5
    assert errors(prediction, truth).connectivity == pytest.approx((0.8 - 0.5) / 1000)


def test_a_pixel_just_below_its_region_still_counts_as_connected() -> None:
    # 0.94 is in the region up to 0.9; the distance of 0.04 is under 0.15, and so is that of the truth, 0.1
    assert errors(np.array([[1.0, 0.94]]), np.uint8([[255, 255]])).connectivity == 0.0


def test_the_region_of_a_low_level_may_be_elsewhere_than_that_of_a_high_one() -> None:
    alpha = np.zeros((1, 14), np.float32)
    alpha[0, :2], alpha[0, 4:] = 1, 0.5  # two pixels that reach 1, and ten that reach 0.5
    expected = np.where(alpha == 0.5, 0.5, 0)
    expected[0, :2] = 0  # lost at the first level, to the larger part
    assert connection_level(alpha, alpha).tolist() == expected.tolist()


@pytest.mark.parametrize("seed", [4, 5, 6, 7])
def test_connectivity_is_what_scikit_image_labels_and_plain_python_give(seed: int) -> None:
    alpha, truth = random_alphas(seed=seed)
    expected_alpha = truth.astype(np.float32) / np.float32(255)
    level = np.full(alpha.shape, -1.0)
    for number in range(1, 11):
        both = (alpha >= np.float32(number / 10)) & (expected_alpha >= np.float32(number / 10))
        regions = measure.regionprops(measure.label(both, connectivity=1))
        largest = max(regions, key=lambda region: region.area).coords if regions else np.zeros((0, 2), int)
        in_largest = np.zeros(alpha.shape, bool)
        in_largest[tuple(largest.T)] = True
        level[(level < 0) & ~in_largest] = (number - 1) / 10
    level[level < 0] = 1
    assert connection_level(alpha, expected_alpha) == pytest.approx(level)
    distances = alpha - level, expected_alpha - level
    one, other = (1 - distance * (distance >= 0.15) for distance in distances)
    assert errors(alpha, truth).connectivity == pytest.approx(np.abs(one - other).sum() / 1000, rel=1e-4)


def test_equal_alphas_have_equal_gradients_wherever_they_lie_in_memory() -> None:
    alpha, _ = random_alphas(seed=8)
    found = set()
    for offset in range(200):
        memory = np.empty(alpha.size + 64 + offset, np.float32)
        copy = memory[offset % 64 : offset % 64 + alpha.size].reshape(alpha.shape)
        copy[:] = alpha
        found.add(gradient_size(copy).tobytes())
    assert len(found) == 1


def test_alphas_of_other_sizes_are_refused() -> None:
    with pytest.raises(AssertionError, match="alpha"):
        error_maps(np.zeros((2, 2), np.float32), truth=np.zeros((2, 3), np.uint8))
