"""Class maps: read, named, mirrored with left and right exchanged, and resized by majority."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curation.errors import InputRefused
from curation.quarantine import BadRecord, Code
from models.data.augmentation import augmented
from models.data.choose_samples import LabelledImage, SampleChoice, choose_samples
from models.data.class_maps import flipped_classes, mirrored_classes, names_of_classes, resized_classes
from models.data.images import Draw, ImageOptions, LabelledImages
from models.data.read_labels import read_label
from models.losses.targets import IGNORED
from tests.models.data.class_maps import NAMES, class_dataset
from tests.models.data.discs import disc_dataset, write_png

CELEB = ("background", "skin", "l_eye", "r_eye", "l_brow", "r_brow", "u_lip", "l_lip", "ear_r", "neck_l", "neck")


class Always:
    """Draws what makes a flip."""

    def random(self) -> float:
        return 0.0


def test_left_and_right_are_exchanged_in_a_mirror_and_lips_are_not() -> None:
    assert mirrored_classes(CELEB) == (0, 1, 3, 2, 5, 4, 6, 7, 8, 9, 10)
    assert mirrored_classes(("background", "left_arm", "right_arm", "left_hat")) == (0, 2, 1, 3)


def test_a_flip_moves_pixels_and_names_sides_anew() -> None:
    label = np.array([[0, 2, IGNORED], [1, 3, 1]], np.uint8)
    image = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    rng: np.random.Generator = Always()  # type: ignore[assignment]
    turned, mirrored = flipped_classes(image, label, mirrored=(0, 1, 3, 2), rng=rng)
    assert mirrored.tolist() == [[IGNORED, 3, 0], [1, 2, 1]]
    assert (turned == image[:, ::-1]).all()
    again, label_again = flipped_classes(turned, mirrored, mirrored=(0, 1, 3, 2), rng=rng)
    assert (again == image).all()
    assert (label_again == label).all()


@pytest.mark.parametrize("policy", ["source", "crop", "modern"])
def test_no_policy_flips_a_class_map_without_its_names(policy: str) -> None:
    """The left half is one class and the right half another, whose sides differ: no picture shows them wrong."""
    label = np.repeat(np.uint8([2, 3]), 20)[None].repeat(40, axis=0)
    image = np.repeat(label[..., None] * np.uint8(50), 3, axis=2)
    sides = set()
    for seed in range(20):
        _, turned = augmented(
            image,
            label,
            policy=policy,
            rng=np.random.default_rng(seed),
            mirrored=(0, 1, 3, 2),  # type: ignore[arg-type]
        )
        left = np.nonzero(turned == 2)[1].mean() < np.nonzero(turned == 3)[1].mean()
        sides.add(bool(left))
    assert sides == {True}


def test_a_small_pixel_is_of_the_class_that_most_of_it_was() -> None:
    label = np.uint8([[1, 1, 4, 2], [1, 0, 2, 4], [3, 3, 0, IGNORED], [3, 0, IGNORED, IGNORED]])
    assert resized_classes(label, size=(2, 2)).tolist() == [[1, 2], [3, IGNORED]]
    large = resized_classes(np.uint8([[7, 9]]), size=(2, 8))
    assert large.tolist() == [[7] * 4 + [9] * 4] * 2


def test_an_unknown_value_is_named_with_its_file(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.uint8([[0, 1, 5, 5]]))
    sample = LabelledImage(key="a", folder=tmp_path, image="i.png", label="a.png", ignore=None, is_class_map=True)
    with pytest.raises(BadRecord, match=r"values above 3, the last of 4 classes.*5 \(2x\)") as caught:
        read_label(sample, classes=4, size=(1, 4))
    assert caught.value.code == Code.MASK_VALUES
    assert caught.value.file.endswith("a.png")
    assert read_label(sample, classes=6, size=(1, 4)).tolist() == [[0, 1, 5, 5]]


def test_classes_are_called_as_the_cards_say(tmp_path: Path) -> None:
    named = class_dataset(tmp_path / "named", ["a"])
    plain = class_dataset(tmp_path / "plain", ["b"], names=None)
    assert names_of_classes([named, plain], classes=5) == (*NAMES, "class 4")
    assert names_of_classes([plain], classes=2) == ("background", "class 1")
    with pytest.raises(InputRefused, match=r"have 4 classes \(background, skin, l_eye, r_eye\), and the network 3"):
        names_of_classes([named], classes=3)
    other = class_dataset(tmp_path / "other", ["c"], names=("background", "coat", "l_eye", "r_eye"))
    with pytest.raises(InputRefused, match="value 1 of its class maps is 'coat', and 'skin' in"):
        names_of_classes([named, other], classes=4)


def test_samples_without_class_maps_are_left_out_and_a_dataset_without_any_is_refused(tmp_path: Path) -> None:
    choice = SampleChoice(classes=4, labels="classes")
    named, judge = class_dataset(tmp_path / "named", ["a", "b"]), class_dataset(tmp_path / "judge", ["v"])
    chosen = choose_samples([named], validation=[judge], choice=choice)
    assert [sample.label for sample in chosen.training] == ["classes/a.png", "classes/b.png"]
    assert all(sample.is_class_map for sample in (*chosen.training, *chosen.validation))
    discs = disc_dataset(tmp_path / "discs", ["x"])
    with pytest.raises(InputRefused, match="no class maps: no sample has one") as caught:
        choose_samples([discs], validation=[judge], choice=choice)
    assert caught.value.where == str(discs.folder)
    assert "curate celebamask" in caught.value.remedy


def test_every_draw_gives_classes_of_the_map_alone(tmp_path: Path) -> None:
    dataset = class_dataset(tmp_path / "d", ["a", "b"])
    samples = tuple(
        LabelledImage(
            key=id_,
            folder=dataset.folder,
            image=f"images/{id_}.png",
            label=f"classes/{id_}.png",
            ignore=None,
            is_class_map=True,
        )
        for id_ in ("a", "b")
    )
    options = ImageOptions(
        classes=4, input_size=(32, 32), policy="modern", seed=0, labels="classes", mirrored=(0, 1, 3, 2)
    )
    images = LabelledImages(samples, validation=samples, options=options)
    for epoch in range(6):
        example = images[Draw(epoch=epoch, index=0)]
        assert not isinstance(example, BadRecord)
        assert set(np.unique(example.label)) <= {0, 1, 2, 3, IGNORED}
    judged = images[Draw(epoch=None, index=1)]
    assert not isinstance(judged, BadRecord)
    assert judged.truth is not None
    assert judged.truth.shape == (48, 40)
    assert judged.label.shape == (32, 32)
