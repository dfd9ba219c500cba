"""A plain folder of photographs becomes a data set: a pool without labels, or backgrounds that show nobody."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset, read_dataset, read_quarantine
from curation.errors import ConfigurationProblem, InputRefused
from curation.fusion.plan_fusion import FusionSettings, plan_fusion
from curation.operations.split import SplitShares, assign_splits
from curation.sources.image_folder import ImagesSettings, plan_images
from tests.curation.sources.test_image_label_folders import put


def photo(seed: int = 0, *, suffix: str = ".jpg") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def build(tmp_path: Path, root: Path, **more: object) -> Dataset:
    plan = plan_images(ImagesSettings(root=root, **more))  # type: ignore[arg-type]
    options = BuildOptions(runner=RunnerOptions(workers=0), max_quarantine="100%")
    build_dataset(plan, out=tmp_path / "D", options=options)
    return read_dataset(tmp_path / "D")


def test_a_pool_has_images_and_says_nothing_of_persons(tmp_path: Path) -> None:
    root = put(tmp_path / "photos", a_jpg=photo(1), sub__b_png=photo(2, suffix=".png"), notes_txt=b"words")
    dataset = build(tmp_path, root, license="CC0", split="test")
    rows = dataset.table.to_pylist()
    assert [row["id"] for row in rows] == ["a", "sub__b"]
    assert [dataset.path(row["image"]).read_bytes() for row in rows] == [photo(1), photo(2, suffix=".png")]
    for row in rows:
        assert row["mask"] is row["alpha"] is row["persons"] is row["person_area"] is None
        assert (row["width"], row["height"], row["license"], row["split"]) == (40, 30, "CC0", "test")
    assert sum(dataset.card.counts.filtered.values()) == 1 and dataset.card.counts.considered == 3


def test_backgrounds_show_nobody_and_a_pool_is_none(tmp_path: Path) -> None:
    root = put(tmp_path / "rooms", a_jpg=photo(1), b_jpg=photo(2))
    rooms = build(tmp_path / "1", root, as_="background")
    assert {(row["persons"], row["person_area"]) for row in rooms.table.to_pylist()} == {(0, 0.0)}
    pool = build(tmp_path / "2", root)
    with pytest.raises(InputRefused, match="no foreground"):
        plan_fusion([rooms], backgrounds=[rooms], settings=FusionSettings())
    with pytest.raises(InputRefused, match="no foreground"):
        plan_fusion([pool], backgrounds=[pool], settings=FusionSettings())


def test_broken_files_are_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    whole = photo(1)
    root = put(tmp_path / "photos", good_jpg=whole, cut_jpg=whole[:200], page_jpg=b"<html>404</html>")
    (root / "link.jpg").symlink_to("/etc/passwd")
    dataset = build(tmp_path, root)
    assert dataset.table["id"].to_pylist() == ["good"]
    codes = {Path(line.file).stem: str(line.code) for line in read_quarantine(dataset.folder)}
    assert codes == {"cut": "TRUNCATED", "page": "NOT_IMAGE", "link": "UNREADABLE"}


def test_files_that_differ_in_their_suffix_alone_are_both_taken(tmp_path: Path) -> None:
    root = put(tmp_path / "photos", a_jpg=photo(1), a_png=photo(2, suffix=".png"), b_jpg=photo(3))
    assert build(tmp_path, root).table["id"].to_pylist() == ["a.jpg", "a.png", "b"]


def test_frames_of_a_clip_are_never_split_apart(tmp_path: Path) -> None:
    root = put(tmp_path / "clips", **{f"{clip}__{n}_jpg": photo(10 * clip + n) for clip in range(6) for n in range(4)})
    dataset = build(tmp_path, root, group_by="folder")
    table = assign_splits(dataset.table, shares=SplitShares(val=0.3, test=0.2), seed=1)
    found: dict[str, set[str]] = {}
    for row in table.to_pylist():
        found.setdefault(row["id"].split("__")[0], set()).add(row["split"])
    assert len(found) == 6 and all(len(splits) == 1 for splits in found.values())


def test_a_folder_without_images_and_settings_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputRefused, match="no image"):
        plan_images(ImagesSettings(root=tmp_path / "empty"))
    with pytest.raises(InputRefused, match="no such folder"):
        plan_images(ImagesSettings(root=tmp_path / "none"))
    put(tmp_path / "photos", a_jpg=photo())
    with pytest.raises(ConfigurationProblem, match="source"):
        plan_images(ImagesSettings(root=tmp_path / "photos", source="a\nb"))


def test_an_image_is_shown_as_exif_turns_it(tmp_path: Path) -> None:
    from PIL import Image as Picture

    exif = Picture.Exif()
    exif[0x0112] = 6
    (tmp_path / "photos").mkdir()
    Picture.new("RGB", (40, 30), (9, 99, 199)).save(tmp_path / "photos/a.jpg", exif=exif)
    row = build(tmp_path, tmp_path / "photos").table.to_pylist()[0]
    assert (row["width"], row["height"]) == (30, 40)
