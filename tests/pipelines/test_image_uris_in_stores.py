"""A data set whose images stay in an object store, named by their addresses."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

import pipelines as curate
from curation.dataset.dataset import read_dataset
from curation.errors import InputRefused, SecurityRefused
from curation.quarantine import Code
from curation.remote.object_store import ObjectStore
from curation.storage.image_places import VARIABLE
from labeling.browsing.pictures import pictures_of
from labeling.label_tools.label_studio.push.push import push
from tests.drawn_pictures import jpeg, picture
from tests.labeling.label_tools.label_studio.drawn import client_of, push_of
from tests.labeling.label_tools.label_studio.fake_server import FakeServer, running
from tests.object_store import Trouble, keys, objects, upload
from tests.pipelines.commands import draw_aifenge

QUIET = {"workers": 0, "quiet": True}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(jpeg(picture(number), quality=90))
    return folder


@pytest.fixture
def address(bucket: str, photos: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the photographs, which may be named."""
    monkeypatch.setenv(VARIABLE, f"{bucket}/photos")
    return upload(photos, f"{bucket}/photos")


def test_photographs_of_a_store_stay_there(bucket: str, address: str, photos: Path) -> None:
    curate.images(root=address, out=f"{bucket}/pool", image_uris=True, **QUIET)
    curate.images(root=photos, out=photos.parent / "plain", **QUIET)
    assert keys(f"{bucket}/pool") == ["dataset.json", "manifest.parquet", "quarantine.jsonl"]
    local = curate.merge(f"{bucket}/pool", out=photos.parent / "pool", **QUIET).dataset
    assert [row["image"] for row in local.table.to_pylist()] == [f"{address}/{number}.jpg" for number in range(3)]
    for one, other in zip(local, read_dataset(photos.parent / "plain"), strict=True):
        assert (one.image == other.image).all()
    assert "all files sound" in curate.stats(f"{bucket}/pool", verify=True, **QUIET).summary
    assert "all files sound" in curate.stats(local, verify=True, workers=2, quiet=True).summary
    pictures, broken = pictures_of(local, folder=photos.parent / "own", workers=2, progress=lambda _: None)
    assert broken == []
    assert [path.read_bytes() for path in pictures.images] == [*objects(address).values()]


def test_each_object_is_fetched_once_and_only_when_it_is_read(address: str, photos: Path, trouble: Trouble) -> None:
    made = curate.images(root=address, out=photos.parent / "pool", image_uris=True, **QUIET).dataset
    trouble.requests.clear()
    for _ in range(2):
        assert made[1].image.ndim == 3
    asked = [line for line in trouble.requests if line.startswith("GET")]
    assert len(asked) == 1
    assert "photos/1.jpg" in asked[0]


def test_an_object_that_changed_or_went_is_named_by_its_address(
    bucket: str, address: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, bucket)
    made = curate.images(root=address, out=photos.parent / "pool", image_uris=True, **QUIET).dataset
    ObjectStore(address).delete("0.jpg")
    ObjectStore(address).write("1.jpg", jpeg(picture(9), quality=90))
    for number, code in ((0, Code.MISSING_FILE), (1, Code.CHECKSUM)):
        with pytest.raises(InputRefused, match=f"(?s){code}") as told:
            _ = made[number].image
        assert told.value.where == f"{address}/{number}.jpg"


def test_an_object_that_was_replaced_is_fetched_anew_by_the_next_command(
    address: str, photos: Path, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    before = curate.images(root=address, out=photos.parent / "before", image_uris=True, **QUIET).dataset
    assert len([sample.image for sample in before]) == 3
    ObjectStore(address).write("1.jpg", jpeg(picture(9), quality=90))
    after = curate.images(root=address, out=photos.parent / "after", image_uris=True, **QUIET).dataset
    monkeypatch.setattr("curation.remote.fetch.STARTED_NS", time.time_ns())  # as in another process
    trouble.requests.clear()
    for _ in range(2):
        assert len([sample.image for sample in after]) == 3
    asked = Counter(line.split()[0] for line in trouble.requests)
    assert asked["GET"] == 1
    assert 4 <= asked["HEAD"] <= 7  # once more for what was read in the first moment: clocks of file systems are coarse
    with pytest.raises(InputRefused, match="CHECKSUM"):
        _ = before[1].image


def test_a_place_is_no_beginning_of_a_name(
    bucket: str, address: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"{bucket}/phot")
    with pytest.raises(SecurityRefused):
        curate.images(root=address, out=photos.parent / "pool", image_uris=True, **QUIET)


def test_the_store_shows_annotators_its_own_objects(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = upload(draw_aifenge(tmp_path / "aifenge", samples=2), f"{bucket}/aifenge")
    monkeypatch.setenv(VARIABLE, address)
    made = curate.aifenge(root=address, out=tmp_path / "D", image_uris=True, **QUIET).dataset
    with running(FakeServer()) as server, client_of(server.url) as client:
        assert push(push_of(made), client=client).broken == []
        shown = {task["data"]["image"] for task in server.tasks.values()}
    assert shown == {row["image"] for row in made.table.to_pylist()}
    assert all(name.startswith(f"{address}/clip_img/") for name in shown)
