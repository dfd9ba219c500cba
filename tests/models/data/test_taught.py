"""What a teacher says of an image goes with it, whatever is done to the image, and changes nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.data.augmentation import POLICIES, Policy
from models.data.choose_samples import LabelledImage, SampleChoice, choose_samples
from models.data.images import Draw, Example, Fuse, ImageOptions, LabelledImages
from models.data.read_labels import read_taught
from models.losses.targets import IGNORED
from tests.models.data.discs import disc_dataset, write_png

SIZE = (96, 80)


class LaidFlat:
    """Puts every person on gray."""

    def is_wanted(self, rng: np.random.Generator) -> bool:
        return True

    def cut_out(self, image: np.ndarray, label: np.ndarray, *, is_alpha: bool) -> tuple[np.ndarray, np.ndarray]:
        return image, label

    def lay(self, colours: np.ndarray, alpha: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return np.full_like(colours, 128), alpha


def samples(folder: Path, *, taught: np.ndarray | None = None) -> tuple[LabelledImage, ...]:
    """Draw samples of which a teacher says what their masks say, or what is given."""
    found = choose_samples(
        [disc_dataset(folder / "data", ["a", "b", "c"], size=(120, 100))],
        validation=[disc_dataset(folder / "judge", ["v"])],
        choice=SampleChoice(),
    ).training
    made = []
    for sample in found:
        stored = cv2.imread(str(sample.folder / str(sample.label)), cv2.IMREAD_GRAYSCALE) if taught is None else taught
        file = folder / f"{sample.key.replace('/', '-')}.png"
        write_png(file, stored)
        made.append(replace(sample, taught=file))
    return tuple(made)


def images(
    found: tuple[LabelledImage, ...], policy: Policy, *, teacher: bool, fuse: Fuse | None = None
) -> LabelledImages:
    options = ImageOptions(
        classes=1,
        input_size=SIZE,
        policy=policy,
        seed=3,
        with_teacher=teacher,
        patch_px=90,
        vertical_flip=True,
        fuse=fuse,
    )
    return LabelledImages(found, validation=(), options=options)


def example(source: LabelledImages, *, epoch: int, index: int) -> Example:
    found = source[Draw(epoch=epoch, index=index)]
    assert isinstance(found, Example), found
    return found


@pytest.mark.parametrize("policy", POLICIES)
def test_a_teacher_stays_on_the_label_to_the_pixel_and_changes_no_picture(policy: Policy, tmp_path: Path) -> None:
    found = samples(tmp_path)
    with_teacher, without = images(found, policy, teacher=True), images(found, policy, teacher=False)
    for epoch in range(6):
        for index in range(3):
            one, other = (example(source, epoch=epoch, index=index) for source in (with_teacher, without))
            assert np.array_equal(one.image, other.image) and np.array_equal(one.label, other.label)
            assert other.taught is None and one.taught is not None and one.taught.shape == SIZE
            valid = (one.label != IGNORED) & (one.taught != IGNORED)
            differ = ((one.taught >= 0.5) != (one.label == 1)) & valid
            edge = cv2.dilate(one.label, np.ones((3, 3))) != cv2.erode(one.label, np.ones((3, 3)))
            assert not (differ & ~edge).any()
            assert valid.mean() > 0.3 and (one.taught[valid] <= 1).all()


@pytest.mark.parametrize("policy", ["crop", "patch"])
def test_where_only_the_place_changes_a_teacher_that_says_the_image_says_it_still(
    policy: Policy, tmp_path: Path
) -> None:
    rows, columns = np.mgrid[:120, :100]
    ramp = ((rows + columns) * 255 // 218).astype(np.uint8)
    found = samples(tmp_path, taught=ramp)
    for sample in found:
        write_png(sample.folder / sample.image, ramp[..., None].repeat(3, axis=2))
    found = tuple(replace(sample, digests={}) for sample in found)
    source = images(found, policy, teacher=True)
    for epoch in range(6):
        one = example(source, epoch=epoch, index=0)
        assert one.taught is not None
        valid = one.taught != IGNORED
        inside = cv2.erode(valid.astype(np.uint8), np.ones((5, 5))) > 0
        assert np.abs(one.taught * 255 - one.image[..., 0])[inside].max() < 3


def test_without_a_label_everything_is_ignored_but_what_the_teacher_says(tmp_path: Path) -> None:
    found = tuple(replace(sample, label=None) for sample in samples(tmp_path))
    for policy in ("none", "framed"):
        one = example(images(found, policy, teacher=True), epoch=0, index=0)
        assert (one.label == IGNORED).all()
        assert one.taught is not None and 0 < (one.taught[one.taught != IGNORED] >= 0.5).mean() < 1


def test_of_a_fused_picture_and_where_it_gave_nothing_a_teacher_says_nothing(tmp_path: Path) -> None:
    found = samples(tmp_path)
    fused = example(images(found, "none", teacher=True, fuse=LaidFlat()), epoch=0, index=0)
    assert fused.taught is not None and (fused.taught == IGNORED).all() and (fused.label == 1).any()
    silent = tuple(replace(sample, taught=None) for sample in found)
    one = example(images(silent, "none", teacher=True), epoch=0, index=0)
    assert one.taught is not None and (one.taught == IGNORED).all()


def test_probabilities_are_read_at_any_size(tmp_path: Path) -> None:
    sample = samples(tmp_path, taught=np.full((30, 25), 51, np.uint8))[0]
    assert np.allclose(read_taught(sample, size=(120, 100)), 0.2)


def test_with_a_teacher_rows_without_a_label_train_but_not_those_that_are_known_to_show_nobody(tmp_path: Path) -> None:
    rows = {
        "n": {"mask": None, "persons": None},
        "e": {"mask": None, "persons": 0},
        "t": {"mask": None, "split": "test"},
    }
    data = disc_dataset(tmp_path / "data", ["a", "n", "e", "t"], rows=rows)
    judge = disc_dataset(tmp_path / "judge", ["v"])
    taught = choose_samples([data], validation=[judge], choice=SampleChoice(with_teacher=True))
    assert [(sample.key, sample.label is None) for sample in taught.training] == [("data/a", False), ("data/n", True)]
    assert taught.unlabelled == 1
    alone = choose_samples([data], validation=[judge], choice=SampleChoice())
    assert [sample.key for sample in alone.training] == ["data/a"]


def test_a_pool_that_shares_a_group_or_an_image_with_what_judges_is_left_out(tmp_path: Path) -> None:
    nothing = {"mask": None, "persons": None}
    pool = disc_dataset(tmp_path / "pool", ["p", "q"], rows={"p": {**nothing, "group": "judge/v"}, "q": nothing})
    judge = disc_dataset(tmp_path / "judge", ["v", "w"], rows={"w": {"sha256": pool.table["sha256"][1].as_py()}})
    data = disc_dataset(tmp_path / "data", ["a"])
    found = choose_samples([data, pool], validation=[judge], choice=SampleChoice(with_teacher=True))
    assert [sample.key for sample in found.training] == ["data/a"] and found.left_out["in_validation"] == 2


def test_labels_of_models_are_told_with_their_licences(tmp_path: Path) -> None:
    made = {"label_source": "m", "label_license": "CC BY-NC 4.0 + unknown"}
    data = disc_dataset(
        tmp_path / "data", ["a", "b"], rows={"a": made, "b": {"label_source": None, "label_license": None}}
    )
    judge = disc_dataset(tmp_path / "judge", ["v"], rows={"v": made})
    found = choose_samples([data], validation=[judge], choice=SampleChoice())
    assert found.label_sources == {"m (CC BY-NC 4.0 + unknown)": 1}
    assert found.label_licenses == ("CC BY-NC 4.0",)
    assert any("1 of 2 samples are under a licence that forbids commercial use" in text for text in found.warnings)
    assert any("the labels of 1 samples that judge were made by models" in text for text in found.warnings)
