"""CelebAMask-HQ: parts painted in order, labels at the size of the image, known bad records, pictures on white."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.card import Card
from curation.dataset.dataset import Dataset, read_dataset, read_quarantine
from curation.errors import InputRefused
from curation.sources.celebamask import CelebamaskSettings, plan_celebamask

IMAGE, LABEL = 64, 32
PAINT_ORDER = (
    "skin",
    "nose",
    "eye_g",
    "l_eye",
    "r_eye",
    "l_brow",
    "r_brow",
    "l_ear",
    "r_ear",
    "mouth",
    "u_lip",
    "l_lip",
    "hair",
    "hat",
    "ear_r",
    "neck_l",
    "neck",
    "cloth",
)


def photo(number: int, *, side: int = IMAGE) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 200, (side, side, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def box(top: int, left: int, bottom: int, right: int, *, side: int = LABEL) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


FACE = {"skin": box(4, 8, 20, 24), "hair": box(2, 6, 8, 26), "nose": box(10, 14, 14, 18), "neck": box(18, 12, 32, 20)}


def put(root: Path, number: int, *, parts: dict[str, np.ndarray] | None = None, channels: int = 3) -> None:
    images, labels = root / "CelebA-HQ-img", root / "CelebAMask-HQ-mask-anno" / str(number // 2000)
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    (images / f"{number}.jpg").write_bytes(photo(number))
    for part, mask in (FACE if parts is None else parts).items():
        stored = np.dstack([mask] * 3) if channels == 3 else mask
        (labels / f"{number:05d}_{part}.png").write_bytes(cv2.imencode(".png", stored)[1].tobytes())


def build(root: Path, out: Path, **more: object) -> tuple[Dataset, Card]:
    plan = plan_celebamask(CelebamaskSettings(root=root, **more))  # type: ignore[arg-type]
    card = build_dataset(plan, out=out, options=BuildOptions(runner=RunnerOptions(workers=0)))
    return read_dataset(out), card


def classes_by_hand(parts: dict[str, np.ndarray]) -> np.ndarray:
    """Return the class map at twice the size, painted as the data set's own script does."""
    classes = np.zeros((LABEL, LABEL), np.uint8)
    for value, part in enumerate(PAINT_ORDER, start=1):
        if part in parts:
            classes[parts[part] != 0] = value
    return np.kron(classes, np.ones((2, 2), np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
def test_parts_are_painted_in_order_at_the_size_of_the_image(tmp_path: Path, channels: int) -> None:
    put(tmp_path / "root", 5, channels=channels)
    dataset, card = build(tmp_path / "root", tmp_path / "D")
    (row,) = dataset.table.to_pylist()
    classes = cv2.imread(str(dataset.path(row["classes"])), -1)
    mask = cv2.imread(str(dataset.path(row["mask"])), -1)
    assert np.array_equal(classes, classes_by_hand(FACE))
    assert np.array_equal(mask, np.where(classes_by_hand(FACE) > 0, 255, 0))
    assert (row["id"], row["width"], row["height"], row["alpha"]) == ("5", IMAGE, IMAGE, None)
    assert row["person_area"] == pytest.approx(np.mean(mask > 0))
    assert dataset.path(row["image"]).read_bytes() == photo(5)
    assert card.notes["classes"] == {"background": 0} | {part: i for i, part in enumerate(PAINT_ORDER, start=1)}


def test_all_parts_have_their_class(tmp_path: Path) -> None:
    parts = {part: box(i, 0, i + 1, LABEL) for i, part in enumerate(PAINT_ORDER)}
    put(tmp_path / "root", 1, parts=parts)
    dataset, _ = build(tmp_path / "root", tmp_path / "D")
    classes = cv2.imread(str(dataset.path(dataset.table["classes"][0].as_py())), -1)
    assert classes[: 2 * 18 : 2, 0].tolist() == list(range(1, 19))


def test_the_person_stands_on_white_and_is_otherwise_unchanged(tmp_path: Path) -> None:
    put(tmp_path / "root", 1)
    dataset, _ = build(tmp_path / "root", tmp_path / "D", white=True)
    (row,) = dataset.table.to_pylist()
    white = cv2.imread(str(dataset.path(row["white"])))
    image = cv2.imdecode(np.frombuffer(photo(1), np.uint8), cv2.IMREAD_COLOR)
    is_person = classes_by_hand(FACE) > 0
    assert np.array_equal(white[is_person], image[is_person])
    assert (white[~is_person] == 255).all()


def test_known_duplicates_share_a_group_and_a_misaligned_image_is_set_aside(tmp_path: Path) -> None:
    for number in (234, 235, 236, 2110):
        put(tmp_path / "root", number)
    dataset, card = build(tmp_path / "root", tmp_path / "D")
    groups = dict(zip(dataset.table["id"].to_pylist(), dataset.table["group"].to_pylist(), strict=True))
    assert groups == {"234": "celebamask/234", "235": "celebamask/234", "236": "celebamask/236"}
    assert card.counts.quarantined == {"KNOWN_BAD": 1}
    (record,) = read_quarantine(tmp_path / "D")
    assert record.record_id == "2110"
    assert "issue 84" in record.reason
    kept, _ = build(tmp_path / "root", tmp_path / "kept", known_bad="keep")
    assert "2110" in kept.table["id"].to_pylist()


def test_a_record_known_to_lack_parts_gets_no_class_map_unless_it_has_them(tmp_path: Path) -> None:
    lips = {"mouth": box(15, 12, 18, 20), "u_lip": box(15, 12, 16, 20), "l_lip": box(17, 12, 18, 20)}
    for name, parts in (
        ("as known", FACE),
        ("mended", FACE | lips),
        ("empty", FACE | lips | {"u_lip": box(0, 0, 0, 0)}),
    ):
        put(tmp_path / name, 404, parts=parts)
        dataset, _ = build(tmp_path / name, tmp_path / f"{name} D")
        (row,) = dataset.table.to_pylist()
        assert (row["classes"] is not None) == (name == "mended"), name
        assert row["empty_parts"] == (name == "empty")
    kept, _ = build(tmp_path / "as known", tmp_path / "kept", known_bad="keep")
    assert kept.table["classes"].to_pylist() == ["classes/404.png"]


def test_what_is_no_whole_record_is_named_and_counted_once(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for number in range(7):
        put(root, number)
    labels = root / "CelebAMask-HQ-mask-anno/0"
    for path in labels.glob("00001_*"):
        path.unlink()
    (root / "CelebA-HQ-img/2.jpg").unlink()
    half = (labels / "00003_skin.png").read_bytes()
    (labels / "00003_skin.png").write_bytes(half[: len(half) // 2])
    (labels / "00004_nose.png").write_bytes(cv2.imencode(".png", box(0, 0, 4, 4, side=16))[1].tobytes())
    for path in labels.glob("00005_*"):
        path.write_bytes(cv2.imencode(".png", box(0, 0, 0, 0))[1].tobytes())
    (root / "CelebA-HQ-img/6.jpg").write_bytes(cv2.imencode(".jpg", np.zeros((64, 48, 3), np.uint8))[1].tobytes())
    (labels / "00000_beard.png").write_bytes(b"x")
    (labels / "._00000_skin.png").write_bytes(b"x")
    dataset, card = build(root, tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["0"]
    assert card.counts.filtered == {"os_metadata": 1, "other_file": 1}
    assert card.counts.quarantined == {
        "EMPTY_ALPHA": 1,
        "NO_MASK": 1,
        "ORPHAN_MASK": 1,
        "SIZE_MISMATCH": 2,
        "TRUNCATED": 1,
    }


def test_a_part_in_two_folders_is_refused_naming_both(tmp_path: Path) -> None:
    put(tmp_path, 1)
    other = tmp_path / "CelebAMask-HQ-mask-anno/1"
    other.mkdir()
    (other / "00001_skin.png").write_bytes(b"x")
    with pytest.raises(InputRefused, match="00001_skin"):
        plan_celebamask(CelebamaskSettings(root=tmp_path))


def test_another_structure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="CelebA-HQ-img and CelebAMask-HQ-mask-anno"):
        plan_celebamask(CelebamaskSettings(root=tmp_path))
