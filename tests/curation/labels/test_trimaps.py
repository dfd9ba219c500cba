"""Trimaps from masks and alphas, and what matting cannot start from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.morphology import dilation, erosion

from curation.labels.masks import mask_of
from curation.labels.trimaps import auto_kernel, check_trimap, trimap_from_alpha, trimap_from_mask
from curation.quarantine import BadRecord, Code

SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24))
ALPHAS = arrays(np.uint8, SHAPES)
MASKS = arrays(np.bool_, SHAPES).map(lambda mask: mask.astype(np.uint8) * np.uint8(255))
KERNELS = st.integers(1, 12)
# cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (6, 6)), as printed by OpenCV 4.12; its anchor is row 3, column 3
ELLIPSE_OF_6 = np.array(
    [
        [0, 0, 0, 1, 0, 0],
        [0, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1],
        [0, 1, 1, 1, 1, 1],
    ],
    np.uint8,
)


@given(mask=MASKS)
def test_the_default_trimap_is_that_of_the_article_at_every_pixel_borders_included(mask: np.ndarray) -> None:
    """Compared with the definition written out: the union and the intersection of shifted frames."""
    height, width = mask.shape
    expected = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            seen = [
                mask[y + dy - 3, x + dx - 3]
                for dy, dx in zip(*np.nonzero(ELLIPSE_OF_6))
                if 0 <= y + dy - 3 < height and 0 <= x + dx - 3 < width
            ]
            expected[y, x] = 255 if min(seen) == 255 else (128 if max(seen) == 255 else 0)
    assert trimap_from_mask(mask).tolist() == expected.tolist()


@given(mask=MASKS, kernel=st.sampled_from([3, 5, 7, 9]))
def test_odd_kernels_give_what_scikit_image_gives(mask: np.ndarray, kernel: int) -> None:
    import cv2

    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    grown, shrunk = dilation(mask, ellipse, mode="min"), erosion(mask, ellipse, mode="max")
    assert trimap_from_mask(mask, kernel=kernel).tolist() == np.where(shrunk > 0, 255, (grown > 0) * 128).tolist()


@given(mask=MASKS, kernel=KERNELS)
def test_certain_pixels_of_a_trimap_agree_with_its_mask(mask: np.ndarray, kernel: int) -> None:
    trimap = trimap_from_mask(mask, kernel=kernel)
    assert set(np.unique(trimap)) <= {0, 128, 255}
    assert (mask[trimap == 255] == 255).all()
    assert (mask[trimap == 0] == 0).all()


@given(mask=MASKS)
def test_making_a_trimap_leaves_the_mask_alone(mask: np.ndarray) -> None:
    before = mask.copy()
    trimap_from_mask(mask, kernel=1)
    assert mask.tolist() == before.tolist()


@given(alpha=ALPHAS, threshold=st.integers(0, 254), kernel=KERNELS)
def test_every_soft_pixel_is_unknown_in_the_trimap_of_an_alpha(alpha: np.ndarray, threshold: int, kernel: int) -> None:
    trimap = trimap_from_alpha(alpha, threshold=threshold, kernel=kernel)
    assert (trimap[(alpha > 0) & (alpha < 255)] == 128).all()
    assert (alpha[trimap == 255] == 255).all()
    assert (alpha[trimap == 0] == 0).all()


@given(alpha=arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 60, 255])))
def test_the_trimap_of_an_alpha_passes_the_check_wherever_it_has_certain_pixels(alpha: np.ndarray) -> None:
    trimap = trimap_from_alpha(alpha, kernel=3)
    if (trimap == 255).any() and (trimap == 0).any():
        check_trimap(trimap, file="t.png")
    else:
        with pytest.raises(BadRecord, match="no pixel is certain"):
            check_trimap(trimap, file="t.png")


def test_the_trimap_of_a_hard_alpha_is_that_of_its_mask() -> None:
    alpha = np.zeros((40, 40), np.uint8)
    alpha[10:30, 10:30] = 255
    assert trimap_from_alpha(alpha).tolist() == trimap_from_mask(mask_of(alpha)).tolist()


@pytest.mark.parametrize(("height", "kernel"), [(0, 3), (1, 3), (400, 3), (600, 4), (800, 6), (1600, 12), (4000, 30)])
def test_the_automatic_kernel_grows_with_the_height_of_the_person(height: int, kernel: int) -> None:
    mask = np.zeros((height + 20, 6), np.uint8)
    mask[10 : 10 + height, 2] = 255
    assert auto_kernel(mask) == kernel


def test_a_kernel_larger_than_the_person_is_refused() -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[18:22, 18:22] = 255
    with pytest.raises(BadRecord, match="no pixel is certain person") as refused:
        check_trimap(trimap_from_mask(mask, kernel=9), file="t.png")
    assert (refused.value.code, refused.value.file) == (Code.TRIMAP, "t.png")


def test_a_trimap_without_certain_background_is_refused() -> None:
    with pytest.raises(BadRecord, match="no pixel is certain background"):
        check_trimap(np.array([[128, 255]], np.uint8))


def test_a_trimap_with_other_values_is_refused_and_they_are_named() -> None:
    with pytest.raises(BadRecord, match=r"127 \(1x\)"):
        check_trimap(np.array([[0, 127, 255]], np.uint8))
