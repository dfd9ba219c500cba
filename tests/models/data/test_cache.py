from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch.multiprocessing

from models.data import cache as keeping
from models.data import images
from models.data.augmentation import Policy
from models.data.cache import KeptPictures, room_to_keep
from models.data.choose_samples import SampleChoice, choose_samples
from models.data.images import Draw, Example, ImageOptions, LabelledImages
from tests.models.data.discs import disc_dataset

SIZE = (6, 5)


def picture(value: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full((*SIZE, 3), value, np.uint8), np.full(SIZE, value % 2, np.uint8)


def same(one: tuple[np.ndarray, np.ndarray] | None, other: tuple[np.ndarray, np.ndarray]) -> bool:
    return one is not None and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_picture_comes_back_as_it_was_put_and_is_the_callers_own() -> None:
    kept = KeptPictures(3, size=SIZE, room=10_000)
    image, label = picture(7)
    kept.put(1, image=image, label=label)
    found = kept.get(1)
    assert same(found, picture(7))
    assert found is not None
    found[0][:] = 0
    assert same(kept.get(1), picture(7))
    assert kept.get(0) is None


def test_a_black_picture_is_told_from_an_empty_place() -> None:
    kept = KeptPictures(1, size=SIZE, room=10_000)
    assert kept.get(0) is None
    image, label = picture(0)
    kept.put(0, image=image, label=label)
    assert same(kept.get(0), picture(0))


def test_only_the_samples_that_there_is_room_for_are_kept() -> None:
    kept = KeptPictures(9, size=SIZE, room=2 * 4 * 6 * 5 + 100)
    assert len(kept) == 2
    for index in (1, 2, 8):
        kept.put(index, image=picture(3)[0], label=picture(3)[1])
    assert same(kept.get(1), picture(3))
    assert kept.get(2) is None
    assert kept.get(8) is None


def test_a_place_that_is_half_written_is_as_good_as_empty() -> None:
    kept = KeptPictures(1, size=SIZE, room=10_000)
    kept.put(0, image=picture(3)[0], label=picture(3)[1])
    kept._images[0, 0, 0, 0] = 4
    assert kept.get(0) is None


def put_in_another_process(kept: KeptPictures) -> None:
    kept.put(0, image=picture(9)[0], label=picture(9)[1])


def test_processes_share_what_they_keep() -> None:
    kept = KeptPictures(1, size=SIZE, room=10_000)
    context = torch.multiprocessing.get_context("fork")
    process = context.Process(target=put_in_another_process, args=(kept,))
    process.start()
    process.join(30)
    assert same(kept.get(0), picture(9))
    assert not multiprocessing.active_children()


def test_room_is_a_share_of_the_shared_memory_and_none_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert room_to_keep() >= 0
    monkeypatch.setattr(keeping, "SHARED_MEMORY", tmp_path / "none")
    assert room_to_keep() == 0


@pytest.mark.parametrize(("policy", "reads"), [("modern", 1), ("crop", 3)])
def test_an_image_is_read_once_and_draws_are_the_same_whether_it_was_kept_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: Policy, reads: int
) -> None:
    data, judge = disc_dataset(tmp_path / "data", ["a"]), disc_dataset(tmp_path / "judge", ["v"])
    chosen = choose_samples([data], validation=[judge], choice=SampleChoice())
    options = ImageOptions(classes=1, input_size=(24, 20), policy=policy, seed=0)
    seen = []
    original = images.read_image
    monkeypatch.setattr(images, "read_image", lambda sample: seen.append(sample.key) or original(sample))

    def drawn(source: LabelledImages, epoch: int) -> Example:
        found = source[Draw(epoch=epoch, index=0)]
        assert isinstance(found, Example)
        return found

    source = LabelledImages(chosen.training, validation=chosen.validation, options=options)
    pictures = [drawn(source, epoch) for epoch in range(3)]
    assert len(seen) == reads
    monkeypatch.setattr(images, "room_to_keep", lambda: 0)
    for epoch, expected in enumerate(pictures):
        fresh = drawn(LabelledImages(chosen.training, validation=[], options=options), epoch)
        assert np.array_equal(fresh.image, expected.image)
        assert np.array_equal(fresh.label, expected.label)
