"""AiFenGe cut-outs: paired by name, alpha kept, mask and trimap as the article makes them, known defects named."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.card import Card
from curation.dataset.dataset import Dataset, read_dataset, read_quarantine
from curation.dataset.sample import Plan
from curation.errors import InputRefused
from curation.sources.aifenge import AifengeSettings, plan_aifenge
from curation.sources.known_defects import read_catalogue

BATCH = "1803151818"
H, W = 80, 60
METADATA = ("clip_img/1803241125/clip_00000000/._1803241125-00000005.jpg", "matting/1803201916/._matting_00000000")


def photo(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (H, W, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def alpha_of(number: int) -> np.ndarray:
    """Return a soft person that is wider for a larger number."""
    mask = np.zeros((H, W), np.uint8)
    cv2.ellipse(mask, (W // 2, H // 2), (10 + number, 25), 0, 0, 360, 255, -1)
    return cv2.GaussianBlur(mask, (0, 0), 2)


def cut_out(number: int) -> bytes:
    return cv2.imencode(".png", np.dstack([np.full((H, W, 3), 99, np.uint8), alpha_of(number)]))[1].tobytes()


def put(path: Path, data: bytes = b"\0\5\26\7") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def put_image(root: Path, number: int, *, group: str = "00000000", batch: str = BATCH) -> None:
    put(root / "clip_img" / batch / f"clip_{group}" / f"{batch}-{number:08d}.jpg", photo(number))


def put_cut_out(root: Path, number: int, *, group: str = "00000000", batch: str = BATCH) -> None:
    put(root / "matting" / batch / f"matting_{group}" / f"{batch}-{number:08d}.png", cut_out(number))


def put_pair(root: Path, number: int, *, group: str = "00000000") -> None:
    put_image(root, number, group=group)
    put_cut_out(root, number, group=group)


def build(plan: Plan, out: Path) -> tuple[Dataset, Card]:
    card = build_dataset(plan, out=out, options=BuildOptions(runner=RunnerOptions(workers=0)))
    return read_dataset(out), card


def article(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mask and trimap by OpenCV alone: alpha > 50, 6 x 6 ellipse, dilated and eroded once."""
    mask = np.where(alpha_of(number) > 50, 255, 0).astype(np.uint8)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (6, 6))
    dilated, eroded = cv2.dilate(mask, ellipse), cv2.erode(mask, ellipse)
    return mask, np.where((dilated == 255) & (eroded == 0), 128, eroded)


def test_alpha_mask_and_trimap_are_those_of_opencv_and_the_photograph_is_not_touched(tmp_path: Path) -> None:
    for number, group in ((1, "00000000"), (4, "00000001")):
        put_pair(tmp_path / "root", number, group=group)
    dataset, card = build(plan_aifenge(AifengeSettings(root=tmp_path / "root")), tmp_path / "D")
    assert dataset.table["id"].to_pylist() == [f"{BATCH}-00000001", f"{BATCH}-00000004"]
    for row, number in zip(dataset.table.to_pylist(), (1, 4), strict=True):
        stored = {name: cv2.imread(str(dataset.path(row[name])), -1) for name in ("alpha", "mask", "trimap")}
        mask, trimap = article(number)
        assert np.array_equal(stored["alpha"], alpha_of(number))
        assert np.array_equal(stored["mask"], mask)
        assert np.array_equal(stored["trimap"], trimap)
        assert dataset.path(row["image"]).read_bytes() == photo(number)
        assert row["person_area"] == pytest.approx(np.mean(mask > 0))
        assert row["soft"] == pytest.approx(np.mean((alpha_of(number) > 0) & (alpha_of(number) < 255)))
    assert dataset.table["source_id"].to_pylist()[1] == f"{BATCH}/00000001/{BATCH}-00000004"
    assert len(set(dataset.table["group"].to_pylist())) == 2
    assert card.counts.considered == 2


def test_the_public_copys_defects_shift_nothing_and_are_named(tmp_path: Path) -> None:
    """Two resource forks and a matte without image: both sides then hold 4 names, yet no sorted pair is right."""
    root = tmp_path / "root"
    for number in (116, 118):
        put_image(root, number, batch="1803201916")
        put_cut_out(root, number, batch="1803201916")
    put_cut_out(root, 117, batch="1803201916")
    for name in METADATA:
        put(root / name)
    dataset, card = build(plan_aifenge(AifengeSettings(root=root)), tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["1803201916-00000116", "1803201916-00000118"]
    for row, number in zip(dataset.table.to_pylist(), (116, 118), strict=True):
        assert np.array_equal(cv2.imread(str(dataset.path(row["alpha"])), -1), alpha_of(number))
    assert card.counts.filtered == {"os_metadata": 2}
    assert card.notes["os_metadata"] == sorted(METADATA)
    assert card.counts.quarantined == {"ORPHAN_MASK": 1}
    (record,) = read_quarantine(tmp_path / "D")
    assert Path(record.file).name == "1803201916-00000117.png"
    met = [name for statement in card.notes["catalogue"] for name in statement["records"]]
    assert sorted(met) == sorted([*METADATA, "1803201916-00000117.png"])
    assert all(statement["source"] for statement in card.notes["catalogue"])


def test_a_copy_without_the_known_defects_meets_none(tmp_path: Path) -> None:
    put_pair(tmp_path, 1)
    assert plan_aifenge(AifengeSettings(root=tmp_path)).notes["catalogue"] == []


def test_a_cut_out_of_another_group_is_no_partner(tmp_path: Path) -> None:
    put_pair(tmp_path, 1)
    put_image(tmp_path, 2, group="00000000")
    put_cut_out(tmp_path, 2, group="00000001")
    plan = plan_aifenge(AifengeSettings(root=tmp_path))
    assert [item.id for item in plan.items] == [f"{BATCH}-00000001"]
    assert sorted(str(record.code) for record in plan.quarantined) == ["NO_MASK", "ORPHAN_MASK"]


def test_one_name_in_two_groups_is_refused_naming_both(tmp_path: Path) -> None:
    put_pair(tmp_path, 1, group="00000000")
    put_pair(tmp_path, 1, group="00000001")
    with pytest.raises(InputRefused) as refused:
        plan_aifenge(AifengeSettings(root=tmp_path))
    assert "clip_00000000" in str(refused.value)
    assert "clip_00000001" in str(refused.value)


def test_stray_files_are_counted_and_a_root_that_is_nested_is_named(tmp_path: Path) -> None:
    put_pair(tmp_path / "archive", 1)
    put(tmp_path / "archive/cover.jpg", photo(1))
    put(tmp_path / "archive/readme.txt")
    put(tmp_path / "archive/more/2.jpg", photo(2))
    plan = plan_aifenge(AifengeSettings(root=tmp_path / "archive"))
    assert plan.filtered == {"other_file": 2}
    assert plan.considered == 3
    with pytest.raises(InputRefused, match="clip_img and matting") as refused:
        plan_aifenge(AifengeSettings(root=tmp_path))
    assert refused.value.remedy.endswith("archive")


def test_order_of_creation_and_number_of_workers_do_not_change_a_byte(tmp_path: Path) -> None:
    files = []
    for name, numbers, workers in (("one", range(6), 0), ("two", reversed(range(6)), 2)):
        root = tmp_path / "root" if name == "one" else tmp_path / "again" / "root"
        for number in numbers:
            put_pair(root, number)
        plan = plan_aifenge(AifengeSettings(root=root))
        build_dataset(plan, out=tmp_path / name / "D", options=BuildOptions(runner=RunnerOptions(workers=workers)))
        folder = tmp_path / name / "D"
        files.append({str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    cards = [found.pop("dataset.json") for found in files]
    assert files[0] == files[1]
    assert len(files[0]) == 6 * 4 + 2
    assert cards[0] != cards[1]  # the roots differ


def test_the_catalogue_holds_a_source_for_every_statement() -> None:
    for name in ("aifenge", "celebamask"):
        catalogue = read_catalogue(name)
        assert catalogue.name == name
        assert all(known.source and known.statement and known.records for known in catalogue.defects)
