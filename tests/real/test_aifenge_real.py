"""Real portraits laid out as AiFenGe, with its defects planted: each is named, all else is OpenCV's own result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.dataset.dataset import Dataset, read_dataset, read_quarantine
from tests.places import REAL_DATA, REPOSITORY

MAKER = REAL_DATA / "tools" / "make_aifenge.py"
CODES = {
    "mask without image": "ORPHAN_MASK",
    "image without mask": "NO_MASK",
    "truncated jpg": "TRUNCATED",
    "truncated png": "TRUNCATED",
    "png without alpha": "NO_ALPHA",
    "size mismatch": "SIZE_MISMATCH",
    "empty alpha": "EMPTY_ALPHA",
    "not an image": "NOT_IMAGE",
    "empty file": "NOT_IMAGE",
}
DONE_WITH_QUARANTINE = 3

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not MAKER.is_file(), reason=f"no {MAKER}; set CURATE_REAL_DATA to the folder of real data"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "aifenge"
    portraits = REAL_DATA / "data" / "portraits"
    subprocess.run([sys.executable, MAKER, portraits, folder, "--defects"], check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="module")
def dataset(root: Path) -> Dataset:
    command = [
        sys.executable,
        "-m",
        "pipelines.command_line.cli",
        "aifenge",
        "--root",
        root,
        "--out",
        root.parent / "D",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == DONE_WITH_QUARANTINE, done.stderr
    return read_dataset(root.parent / "D")


def test_every_planted_defect_is_named_with_its_code(root: Path, dataset: Dataset) -> None:
    planted = json.loads((root.parent / "aifenge-defects.json").read_text())
    metadata = planted.pop("os metadata, not data")
    expected = {name: CODES[defect] for defect, names in planted.items() for name in names}
    found = {Path(record.file).stem: str(record.code) for record in read_quarantine(dataset.folder)}
    assert found == expected
    assert sorted(Path(name).name for name in dataset.card.notes["os_metadata"]) == sorted(metadata)
    assert dataset.card.counts.filtered == {"os_metadata": len(metadata)}


def test_every_other_pair_is_opencvs_own_result_to_the_pixel(root: Path, dataset: Dataset) -> None:
    broken = {Path(record.file).stem for record in read_quarantine(dataset.folder)}
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (6, 6))
    rows = {row["id"]: row for row in dataset.table.to_pylist()}
    pairs = {path.stem: path for path in root.glob("matting/*/matting_*/[!.]*.png") if path.stem not in broken}
    assert rows.keys() == pairs.keys()
    for name, png in pairs.items():
        jpg = root / "clip_img" / png.parts[-3] / png.parts[-2].replace("matting", "clip") / f"{name}.jpg"
        alpha = cv2.imread(str(png), cv2.IMREAD_UNCHANGED)[..., 3]
        mask = np.where(alpha > 50, 255, 0).astype(np.uint8)
        dilated, eroded = cv2.dilate(mask, ellipse), cv2.erode(mask, ellipse)
        trimap = np.where((dilated == 255) & (eroded == 0), 128, eroded)
        for column, expected in (("alpha", alpha), ("mask", mask), ("trimap", trimap)):
            stored = cv2.imread(str(dataset.path(rows[name][column])), cv2.IMREAD_UNCHANGED)
            assert np.array_equal(stored, expected), (name, column)
        assert dataset.path(rows[name]["image"]).read_bytes() == jpg.read_bytes()
