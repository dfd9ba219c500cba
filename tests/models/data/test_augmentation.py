from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest

from models.data.augmentation import POLICIES, Policy, augmented
from models.losses.targets import IGNORED


def picture() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    label = np.zeros((32, 32), np.uint8)
    label[8:24, 4:16] = 1
    return image, label


@pytest.mark.parametrize("policy", POLICIES)
def test_the_same_generator_gives_the_same_picture_whatever_came_before(policy: Policy) -> None:
    image, label = picture()
    first = [augmented(image, label, policy=policy, rng=np.random.default_rng(seed)) for seed in range(8)]
    random.seed(1)
    np.random.seed(1)
    for seed in reversed(range(8)):
        again = augmented(image, label, policy=policy, rng=np.random.default_rng(seed))
        assert np.array_equal(again[0], first[seed][0])
        assert np.array_equal(again[1], first[seed][1])


@pytest.mark.parametrize("policy", POLICIES)
def test_sizes_and_label_values_stay(policy: Policy) -> None:
    image, label = picture()
    for seed in range(20):
        new_image, new_label = augmented(image, label, policy=policy, rng=np.random.default_rng(seed))
        assert new_image.shape == image.shape
        assert new_image.dtype == new_label.dtype == np.uint8
        assert set(np.unique(new_label)) <= {0, 1, IGNORED}


def test_no_policy_changes_nothing() -> None:
    image, label = picture()
    assert augmented(image, label, policy="none", rng=np.random.default_rng(0)) == (image, label)


def test_half_of_the_crops_are_flipped_and_labels_go_along() -> None:
    image, label = picture()
    flips = 0
    for seed in range(200):
        new_image, new_label = augmented(image, label, policy="crop", rng=np.random.default_rng(seed))
        is_flipped = bool(np.array_equal(new_image, image[:, ::-1]))
        flips += is_flipped
        assert np.array_equal(new_label, label[:, ::-1] if is_flipped else label)
    assert 70 < flips < 130


def test_one_transform_says_nothing_about_another() -> None:
    """Of the source's transforms, a flip (the label is mirrored) and a shift or turn (something is ignored) are
    independent: each in half of the images, or three quarters; both by the product."""
    image, _ = picture()
    label = np.zeros((32, 32), np.uint8)
    label[:, :16] = 1
    flipped, moved = [], []
    for seed in range(300):
        _, new = augmented(image, label, policy="source", rng=np.random.default_rng(seed))
        flipped.append((new[:, 20:] == 1).mean() > (new[:, :12] == 1).mean())
        moved.append(bool((new == IGNORED).any()))
    share_flipped, share_moved = np.mean(flipped), np.mean(moved)
    assert 0.4 < share_flipped < 0.6
    assert 0.65 < share_moved < 0.85
    assert abs(np.mean(np.logical_and(flipped, moved)) - share_flipped * share_moved) < 0.06


def test_what_lies_outside_of_the_image_is_ignored() -> None:
    """Where a white image on white is moved, what comes in is another colour, and exactly that is ignored."""
    image, label = np.full((32, 32, 3), 255, np.uint8), np.zeros((32, 32), np.uint8)
    seen = 0
    for seed in range(60):
        new_image, new_label = augmented(image, label, policy="modern", rng=np.random.default_rng(seed))
        corner = new_label[0, 0] == IGNORED and new_label[:4, :4].min() == IGNORED
        if corner:
            seen += 1
            assert new_image[1, 1].astype(int).sum() < new_image[16, 16].astype(int).sum()
    assert seen > 5


def test_the_library_is_loaded_without_a_word_and_without_the_network() -> None:
    program = (
        "import socket, warnings; warnings.simplefilter('error')\n"
        "def refuse(*_, **__): raise AssertionError('the network is used')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "import numpy as np\n"
        "from models.data.augmentation import augmented\n"
        "image = np.zeros((32, 32, 3), np.uint8)\n"
        "augmented(image, image[..., 0], policy='modern', rng=np.random.default_rng(0))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_label_alone_moves_as_with_its_picture_to_the_bit(policy: Policy) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    soft = np.linspace(0, 1, 1200, dtype=np.float32).reshape(40, 30)
    for seed in range(12):
        _, whole = augmented(picture, soft, policy=policy, rng=np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        _, alone = augmented(picture, soft, policy=policy, rng=rng, is_label_alone=True)
        assert np.array_equal(whole, alone)
