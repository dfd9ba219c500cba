"""`curate prelabel` as a user types it, with teachers whose every answer is known."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest

from curation.building.workers import RunnerOptions
from curation.dataset import manifest_files
from curation.dataset.dataset import read_dataset, read_quarantine, write_dataset
from curation.dataset.licenses import LicenseRules, allowed_rows
from curation.errors import InputRefused, Interrupted
from curation.operations.verify import verify
from labeling.findings import findings_of
from labeling.label_tools.label_studio.push.prefill import start_of
from labeling.selection.next_samples import next_samples
from pipelines.datasets.stats import StatsFlags, stats
from pipelines.labels import prelabel_pool
from pipelines.sources.images import ImagesFlags, images
from tests.models.drawn import H, W, person
from tests.models.tiny_onnx import CARD, write_tiny_onnx
from tests.pipelines.commands import difference, tree
from tests.pipelines.labels.prelabelled import (
    RUN,
    drawn_photographs,
    everyday,
    label,
    photograph,
    pool_of,
    teachers,
)

pytestmark = pytest.mark.usefixtures("checked_once")


def rows_of(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in read_dataset(folder).table.to_pylist()}


def miou(lost: int) -> float:
    """Return the mIoU of a person of 30 rows of 14 pixels with one that lacks so many rows, in 40 x 30 pixels."""
    found, background = 14 * (30 - lost), H * W - 14 * 30
    return (found / (14 * 30) + background / (background + 14 * lost)) / 2


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("everyday")
    pool = pool_of(folder, everyday(), license="CC BY 4.0")
    result = label(pool, by=teachers(folder), out=folder / "D")
    assert result.exit_code == 3  # an answer is not finite
    assert result.data["counts"] == {"considered": 6, "selected": 6, "filtered": {}, "quarantined": {}}
    assert result.data["labelled"] == 2
    assert not (folder / "D.prelabel").exists()
    return folder / "D"


def test_what_teachers_agree_on_is_labelled_and_the_rest_left_for_people_with_the_reason(labelled: Path) -> None:
    rows = rows_of(labelled)
    assert {id_: row["teacher_doubt"] for id_, row in rows.items()} == {
        "same": None,
        "near": None,
        "far": "disagreement",
        "nobody": "nobody",
        "everything": "everywhere",
        "broken": "no_answer",
    }
    assert rows["same"]["teacher_agreement"] == 1
    assert rows["near"]["teacher_agreement"] == pytest.approx(miou(1))
    assert rows["far"]["teacher_agreement"] == pytest.approx(miou(15))
    assert {id_ for id_, row in rows.items() if row["mask"] is not None} == {"same", "near"}
    mask = cv2.imread(str(labelled / rows["near"]["mask"]), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(mask, person())  # half of the teachers see the row: a mean of one half is person
    stored = cv2.imread(str(labelled / rows["near"]["prediction"]), cv2.IMREAD_GRAYSCALE)
    assert (stored[10, 10], stored[11, 10], stored[0, 0]) == (128, 255, 0)
    assert rows["broken"]["prediction"] is None
    told = [(str(record.code), record.reason.partition(":")[0]) for record in read_quarantine(labelled)]
    assert sorted(told) == [("MODEL_NONFINITE", "blue"), ("MODEL_NONFINITE", "red")]
    assert verify(read_dataset(labelled), runner=RunnerOptions(workers=0)).problems == []


def test_every_row_names_its_teachers_and_their_licences(labelled: Path) -> None:
    rows, card = rows_of(labelled), read_dataset(labelled).card
    assert {(row["label_source"], row["label_license"]) for row in rows.values()} == {
        ("red + blue", "CC BY-NC 4.0 + MIT")
    }
    told = [(one["name"], one["license"]) for one in card.notes["teachers"]]
    assert told == [("red", "CC BY-NC 4.0"), ("blue", "MIT")]


def test_labels_of_a_non_commercial_teacher_show_in_stats_and_are_left_out_by_licence_rules(labelled: Path) -> None:
    found = stats(StatsFlags(datasets=(labelled,)), run=RUN)
    assert "labels by    red + blue (CC BY-NC 4.0 + MIT) (2)" in found.summary
    assert "2 samples are under a licence that forbids commercial use" in found.summary
    table = read_dataset(labelled).table
    allowed = allowed_rows(table, rules=LicenseRules(allow=("CC BY",)))
    assert set(allowed["id"].to_pylist()) == {"far", "nobody", "everything", "broken"}  # photographs, without labels
    assert len(allowed_rows(table, rules=LicenseRules(allow=("CC BY", "MIT", "CC BY-NC 4.0")))) == 6


def test_people_get_the_doubtful_ones_first_and_start_from_the_prediction(labelled: Path) -> None:
    dataset = read_dataset(labelled)
    findings = findings_of(dataset, scores=None)
    rng = np.random.default_rng(0)
    order = next_samples(dataset.table.to_pylist(), findings=findings, strategy="threshold", budget=None, rng=rng)
    ids = [row["id"] for row in order]
    assert ids[0] == "broken" and set(ids[:4]) == {"broken", "far", "nobody", "everything"}
    assert ids[1] == "far" and ids[4:] == ["near", "same"]
    start = start_of(order[1], dataset=dataset, findings=findings, prefill="auto")
    assert start is not None and start.source == "prediction" and np.array_equal(start.mask, person())


def test_one_teacher_is_compared_with_itself_on_its_views(tmp_path: Path) -> None:
    stripes = np.tile(np.repeat(np.array([0, 255], np.uint8), W), H // 2).reshape(H, W)
    pool = pool_of(tmp_path, {**everyday(), "stripes": photograph(red=stripes, blue=stripes)})
    red, _ = teachers(tmp_path)
    label(pool, by=(red,), out=tmp_path / "D", with_flips=True)
    rows = rows_of(tmp_path / "D")
    assert rows["far"]["teacher_agreement"] == 1  # what looks at one pixel sees a mirror image as it sees the image
    assert rows["far"]["label_source"] == "red" and rows["far"]["mask"] is not None
    label(pool, by=(red,), out=tmp_path / "views")
    assert rows_of(tmp_path / "D")["stripes"]["teacher_agreement"] == 1
    assert rows_of(tmp_path / "views")["stripes"]["teacher_doubt"] == "disagreement"  # shrunk, they are gray


def test_a_teacher_that_gives_alphas_leaves_them(tmp_path: Path) -> None:
    soft = np.where(person() > 0, np.uint8(200), np.uint8(20))
    pool = pool_of(tmp_path, {"a": photograph(red=soft, blue=person())})
    card = CARD.replace("output: probability", "output: alpha")
    by = (write_tiny_onnx(tmp_path / "soft.onnx", card=card, lost=-254.0), teachers(tmp_path)[1])
    label(pool, by=by, out=tmp_path / "D")
    row = rows_of(tmp_path / "D")["a"]
    alpha = cv2.imread(str(tmp_path / "D" / row["alpha"]), cv2.IMREAD_GRAYSCALE)
    assert np.abs(alpha.astype(int) - soft).max() <= 1
    assert row["label_license"] == "unknown + MIT"


def test_a_teacher_that_sees_nobody_anywhere_is_refused(tmp_path: Path) -> None:
    more = {f"more-{number}": everyday()["same"] for number in range(5)}
    pool = pool_of(tmp_path, {**everyday(), **more})
    blind = write_tiny_onnx(tmp_path / "blind.onnx", lost=0.9)
    with pytest.raises(InputRefused, match="sees nobody in any of 10 images") as error:
        label(pool, by=(blind, teachers(tmp_path)[1]), out=tmp_path / "D")
    assert str(error.value.where).endswith("blind.onnx")
    assert not (tmp_path / "D").exists()
    few = label(pool, by=(blind, teachers(tmp_path)[1]), out=tmp_path / "D", limit=4)
    assert any("blind sees nobody in any of 3 images" in warning for warning in few.warnings)
    assert few.data["labelled"] == 0


def test_a_teacher_that_sees_somebody_in_every_background_is_refused(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, everyday())
    wall = {str(number): photograph(red=person(), blue=np.zeros((H, W), np.uint8)) for number in range(3)}
    root = drawn_photographs(tmp_path / "walls", wall)
    images(ImagesFlags(root=root, out=tmp_path / "rooms", as_="background"), run=RUN)
    red, blue = teachers(tmp_path)
    with pytest.raises(InputRefused, match="sees somebody in 3 of 3 images that show nobody"):
        label(pool, tmp_path / "rooms", by=(red, blue), out=tmp_path / "D")
    result = label(pool, tmp_path / "rooms", by=(blue,), out=tmp_path / "D")
    assert result.data["counts"]["filtered"] == {"labelled": 3}


def test_teachers_that_never_agree_label_nothing_and_say_so(tmp_path: Path) -> None:
    away = np.roll(person(), 12, axis=1)
    pool = pool_of(tmp_path, {str(number): photograph(red=person(), blue=away) for number in range(3)})
    result = label(pool, by=teachers(tmp_path), out=tmp_path / "D")
    assert (result.data["labelled"], result.data["for_people"]) == (0, {"disagreement": 3})
    assert any("agree on none of 3 images" in warning for warning in result.warnings)


def test_a_model_that_is_named_twice_is_refused_and_an_equal_one_is_told(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, everyday())
    red, _ = teachers(tmp_path)
    with pytest.raises(InputRefused, match="once more"):
        label(pool, by=(red, red), out=tmp_path / "D")
    other_card = write_tiny_onnx(tmp_path / "other-card.onnx", card=f"{CARD}license: MIT\n")
    with pytest.raises(InputRefused, match="once more"):
        label(pool, by=(red, other_card), out=tmp_path / "D")
    same = write_tiny_onnx(tmp_path / "same.onnx", lost=1e-6)
    result = label(pool, by=(red, same), out=tmp_path / "D")
    assert any("may be one model" in warning for warning in result.warnings)


def test_what_shows_the_same_as_a_test_image_is_left_out_by_group_file_and_look(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    large = [cv2.resize(rng.integers(0, 256, (9, 7, 3), np.uint8), (210, 270)) for _ in range(3)]
    pool = pool_of(tmp_path, {"file": large[0], "again": large[1], "group": large[2], **everyday()})
    shown = drawn_photographs(tmp_path / "tests", {"one": large[0]})
    coded = cv2.imencode(".jpg", cv2.resize(large[1], (180, 231)), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    (shown / "two.jpg").write_bytes(coded.tobytes())
    (shown / "three.png").write_bytes(cv2.imencode(".png", 255 - large[2])[1].tobytes())
    images(ImagesFlags(root=shown, out=tmp_path / "T"), run=RUN)
    regroup(tmp_path / "T", {"three": "session"})
    regroup(pool, {"group": "session"})
    result = label(pool, by=teachers(tmp_path), out=tmp_path / "D", test=(tmp_path / "T",))
    assert result.data["counts"]["filtered"] == {"in_test": 3}
    assert set(rows_of(tmp_path / "D")) == set(everyday())
    assert any("3 samples show what a test set shows" in warning for warning in result.warnings)
    with pytest.raises(InputRefused, match="no sample to label: in_test 9"):
        label(pool, by=teachers(tmp_path), out=tmp_path / "none", test=(copied(pool),))


def copied(pool: Path) -> Path:
    return Path(shutil.copytree(pool, pool.with_name("copy")))


def regroup(folder: Path, groups: dict[str, str]) -> None:
    dataset = read_dataset(folder)
    rows = [row | {"group": groups.get(row["id"], row["group"])} for row in dataset.table.to_pylist()]
    table = pa.Table.from_pylist(rows, schema=dataset.table.schema)
    write_dataset(folder, card=dataset.card, table=table, quarantine=[])


def test_rows_that_are_held_out_or_that_a_person_set_aside_are_not_labelled(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, everyday())
    dataset = read_dataset(pool)
    status = {"far": "ambiguous", "near": None}
    rows = [
        row | {"split": "test" if row["id"] == "same" else None, "label_status": status.get(row["id"])}
        for row in dataset.table.to_pylist()
    ]
    schema = dataset.table.schema.append(pa.field("label_status", pa.string()))
    write_dataset(pool, card=dataset.card, table=pa.Table.from_pylist(rows, schema=schema), quarantine=[])
    result = label(pool, by=teachers(tmp_path), out=tmp_path / "D")
    assert result.data["counts"]["filtered"] == {"held_out": 1, "set_aside": 1}
    assert set(rows_of(tmp_path / "D")) == {"near", "nobody", "everything", "broken"}


def test_a_stopped_run_goes_on_and_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(tmp_path, everyday())
    by = teachers(tmp_path)
    (tmp_path / "whole").mkdir()
    label(pool, by=by, out=tmp_path / "whole" / "D")
    (tmp_path / "parts").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(prelabel_pool, "make_dataset", stopped)
        with pytest.raises(Interrupted):
            label(pool, by=by, out=tmp_path / "parts" / "D")
    kept = list((tmp_path / "parts" / "D.prelabel").glob("*/predictions/same.png"))
    before = [file.stat().st_mtime_ns for file in kept]
    assert len(before) == 2
    with monkeypatch.context() as patch:
        patch.setattr(prelabel_pool, "make_dataset", stopped)
        with pytest.raises(Interrupted):
            label(pool, by=by, out=tmp_path / "parts" / "D", agreement=0.99)
    assert [file.stat().st_mtime_ns for file in kept] == before  # it was not predicted again
    label(pool, by=by, out=tmp_path / "parts" / "D", workers=2)
    assert difference(tree(tmp_path / "parts"), tree(tmp_path / "whole")) == []
    again = label(pool, by=by, out=tmp_path / "parts" / "D")
    assert again.data["labelled"] == 2


def stopped(*_: Any, **__: Any) -> None:
    raise Interrupted("SIGTERM")


def test_pools_in_parts_are_labelled_as_those_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pools whose ids take turns, one with images that show nobody, and a test set with one of their images."""
    found = {}
    for name, part_rows in (("whole", 1000), ("parts", 2)):
        folder = tmp_path / name
        pools = [pool_of(folder / "a", everyday()), folder / "b" / "rooms"]
        nothing = np.zeros((H, W), np.uint8)
        wall = {"far-wall": photograph(red=person(), blue=nothing), "same-wall": photograph(red=nothing, blue=nothing)}
        images(ImagesFlags(root=drawn_photographs(folder / "walls", wall), out=pools[1], as_="background"), run=RUN)
        test = pool_of(folder / "tested", {"everything": everyday()["everything"]})
        with monkeypatch.context() as patch:
            patch.setattr(manifest_files, "PART_ROWS", part_rows)
            for pool in (*pools, test):
                dataset = read_dataset(pool)
                write_dataset(pool, card=dataset.card, table=dataset.table, quarantine=[])
            label(*pools, by=teachers(folder), out=folder / "D", test=(test,), where="width > 1", workers=0)
        dataset = read_dataset(folder / "D")
        assert read_dataset(pools[0]).rows.is_in_memory is (name == "whole")
        found[name] = dataset.table.to_pylist(), dataset.card.counts, read_quarantine(folder / "D")
    assert found["whole"][:2] == found["parts"][:2]
    told = [[(record.record_id, record.reason) for record in records] for _, _, records in found.values()]
    assert told[0] == told[1]
    assert {row["id"] for row in found["parts"][0]} == {*everyday()} - {"everything"}
    assert found["parts"][1].filtered == {"in_test": 1, "labelled": 2}
