"""FiftyOne with its real database: nothing doubled, nothing lost, tags read back, whatever is killed in the middle."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import numpy as np
import psutil
import pyarrow as pa
import pytest

from curation.dataset.dataset import read_dataset, read_quarantine, write_dataset
from curation.images.pixels import encode_gray, encode_image, encode_mask
from curation.storage.files import sha256_of
from labeling.browsing.guard import ADDRESS
from labeling.browsing.mongod import browse_folder, find_mongod
from tests.bench.measuring import CURATE
from tests.labeling.browsing.test_fiftyone_dataset import dataset

pytest.importorskip("pymongo", reason="the extra browse is not installed")
pytestmark = [pytest.mark.real, pytest.mark.skipif(find_mongod() is None, reason="no mongod on this machine")]
SAMPLES = 6
PATIENCE_S = 900.0


@pytest.fixture(autouse=True)
def _own_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("FIFTYONE_DATABASE_URI", "FIFTYONE_DATABASE_DIR"):
        monkeypatch.delenv(name, raising=False)
    yield
    wait_for(lambda: not mongods(), what="the database to stop when nobody uses it")


def mongods() -> list[psutil.Process]:
    """Return the databases that run in our folder."""
    home = str(browse_folder())
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "mongod" and any(home in word for word in process.info["cmdline"] or ()):
            found.append(process)
    return found


def wait_for(happens: Callable[[], bool], *, what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.2)


def draw(folder: Path, *, samples: int = SAMPLES) -> Path:
    """Write a dataset of hard cases: a red square in the picture, its label, and a prediction shifted to the right."""
    ids = [f"{number:03}" for number in range(samples)]
    columns = {
        "prediction": [f"predictions/{id_}.png" for id_ in ids],
        "hard_rank": list(range(1, samples + 1)),
        "miou": [number / 10 for number in range(samples)],
        "label_doubt": [-number / 10 for number in range(samples)],
        "verdict": ["label_error" if number % 2 else "model_error" for number in range(samples)],
        "source": ["drawn/a" if number % 2 else "drawn/b" for number in range(samples)],
        "width": [160] * samples,
        "height": [120] * samples,
        "image": [f"images/{id_}.png" for id_ in ids],
    }
    image = np.full((120, 160, 3), 90, np.uint8)
    image[30:90, 20:80] = (220, 60, 60)
    mask = np.zeros((120, 160), np.uint8)
    mask[30:90, 20:80] = 255
    files = {
        "images": encode_image(image),
        "masks": encode_mask(mask),
        "predictions": encode_gray(np.roll(mask, 40, 1)),
    }
    for name, data in files.items():
        (folder / name).mkdir(parents=True)
        for id_ in ids:
            (folder / name / f"{id_}.png").write_bytes(data)
    drawn = dataset(folder, *ids, **columns)
    hashed = pa.array([sha256_of(files["images"])] * samples)
    table = drawn.table.set_column(drawn.table.column_names.index("sha256"), "sha256", hashed)
    write_dataset(folder, card=drawn.card, table=table, quarantine=[])
    return folder


def curate(*arguments: object, code: int = 0) -> dict[str, Any]:
    """Run a command and give its JSON."""
    done = subprocess.run([str(CURATE), *map(str, arguments), "--json"], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def in_fiftyone(code: str) -> str:
    """Run lines of Python as a user would, with FiftyOne on our database; give what they print."""
    lines = [
        "from labeling.browsing.database import database",
        "from labeling.browsing.mongod import browse_folder",
        "with database(browse_folder()):",
        "    import fiftyone as fo",
        *(f"    {line}" for line in code.splitlines()),
        "    import os, sys",
        "    sys.stdout.flush()",
        "    os._exit(0)",  # FiftyOne tells at its exit that the database went before it
    ]
    done = subprocess.run([str(CURATE.with_name("python")), "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_loading_again_changes_only_what_changed_and_keeps_what_a_person_set(tmp_path: Path) -> None:
    folder = draw(tmp_path / "hard")
    first = curate("browse", folder, "--no-serve")
    assert (first["samples"], first["added"], first["changed"]) == (SAMPLES, SAMPLES, 0)
    again = curate("browse", folder, "--no-serve")
    assert (again["samples"], again["added"], again["changed"], again["removed"]) == (SAMPLES, 0, 0, 0)
    in_fiftyone(
        "d = fo.load_dataset('hard')\n"
        "d.match({'curate_id': '001'}).tag_samples(['relabel', 'night'])\n"
        "d.match({'curate_id': '002'}).tag_samples('drop')\n"
        "d.save_view('mine', d.limit(2))"
    )
    told = curate("browse", "pull", folder)["datasets"][0]
    assert (told["relabel"], told["drop"], told["changed"]) == (1, 1, 2)
    assert read_dataset(folder).table["review"].to_pylist()[:4] == [None, "relabel", "drop", None]
    assert curate("browse", "pull", folder)["datasets"][0]["changed"] == 0
    relabelled(folder, id_="001")
    third = curate("browse", folder, "--no-serve")
    assert (third["samples"], third["added"], third["changed"]) == (SAMPLES, 0, 1)
    seen = in_fiftyone(
        "d = fo.load_dataset('hard')\n"
        "one = d.match({'curate_id': '001'}).first()\n"
        "print(sorted(one.tags), one.label_version, one.ground_truth.mask_path, d.has_saved_view('mine'))"
    )
    assert seen == f"['night', 'train', 'v1'] 1 {folder}/masks/001.v1.png True"


def test_views_of_names_with_one_short_form_are_all_saved_and_hard_cases_are_those_with_a_low_score(
    tmp_path: Path,
) -> None:
    folder = draw(tmp_path / "scored")
    found = read_dataset(folder)
    table = found.table.drop_columns(["hard_rank"])
    for name, values in (("source", ["a b", "a.b"] * 3), ("miou", [0.1, 0.9, None, 0.2, 0.95, None])):
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    write_dataset(folder, card=found.card, table=table, quarantine=[])
    curate("browse", folder, "--no-serve")
    in_fiftyone("d = fo.load_dataset('scored')\nd.delete_saved_view('to drop')\nd.save_view('To-Drop', d.limit(1))")
    for _ in range(2):
        views = curate("browse", folder, "--no-serve")["views"]
        assert [one[:10] for one in views if one.startswith("source")] == ["source a b", "source a.b"]
    sources = [one for one in views if one.startswith("source")]
    seen = in_fiftyone(
        "d = fo.load_dataset('scored')\n"
        "shown = {one: d.load_saved_view(one) for one in d.list_saved_views()}\n"
        f"print(len(shown['To-Drop']), shown['hard'].values('curate_id'), [len(shown[one]) for one in {sources}])"
    )
    assert seen == "1 ['000', '003'] [3, 3]"


def relabelled(folder: Path, *, id_: str) -> None:
    """Give a sample a new label, as reading it back from annotators does."""
    found = read_dataset(folder)
    rows = found.table.to_pylist()
    row = next(row for row in rows if row["id"] == id_)
    (folder / f"masks/{id_}.v1.png").write_bytes((folder / f"masks/{id_}.png").read_bytes())
    row |= {"mask": f"masks/{id_}.v1.png", "label_version": 1}
    table = pa.Table.from_pylist(rows, schema=found.table.schema)
    write_dataset(folder, card=found.card, table=table, quarantine=read_quarantine(folder))


@pytest.mark.nightly  # half a minute of processor; two that start together, below, come to one database as well
def test_a_database_that_is_killed_is_told_and_the_next_run_has_everything(tmp_path: Path) -> None:
    folder = draw(tmp_path / "hard", samples=1500)
    command = [str(CURATE), "browse", str(folder), "--no-serve"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: loaded(folder) > 0, what="the first samples")
    for one in mongods():
        one.kill()
    _, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 6, error
    assert "what to do: run the same command again" in error
    curate("browse", folder, "--no-serve")
    assert in_fiftyone("d = fo.load_dataset('hard')\nprint(len(d), len(set(d.values('uid'))))") == "1500 1500"
    assert curate("browse", folder, "--no-serve")["changed"] == 0


def loaded(folder: Path) -> int:
    """Count the samples that are in the database, from outside."""
    import pymongo

    try:
        address = json.loads((browse_folder() / ADDRESS).read_bytes())
        client: Any
        with pymongo.MongoClient(f"mongodb://{quote_plus(address['socket'])}", serverSelectionTimeoutMS=500) as client:
            database = client["fiftyone"]
            names = [name for name in database.list_collection_names() if name.startswith("samples.")]
            return sum(database[name].estimated_document_count() for name in names)
    except (OSError, pymongo.errors.PyMongoError):
        return 0


def test_two_that_start_together_share_one_database_and_double_nothing(tmp_path: Path) -> None:
    folder = draw(tmp_path / "hard")
    command = [str(CURATE), "browse", str(folder), "--no-serve", "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    most = 0
    while any(process.poll() is None for process in both):
        most = max(most, len(mongods()))
        time.sleep(0.1)
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    told = [json.loads(out) for out, _ in said]
    assert most == 1
    assert sorted(one["added"] for one in told) == [0, SAMPLES]
    assert [one["samples"] for one in told] == [SAMPLES, SAMPLES]


def test_reading_tags_of_a_dataset_that_was_never_browsed_is_refused(tmp_path: Path) -> None:
    folder = draw(tmp_path / "hard")
    assert "browse" in curate("browse", "pull", folder, code=4)["remedy"]


def address_of(process: subprocess.Popen[str]) -> str:
    """Wait until the App is up and give its address."""
    assert process.stderr is not None
    for line in process.stderr:
        if "http://127.0.0.1" in line:
            return line.strip()
    raise AssertionError("the App did not start")


def listening(process: subprocess.Popen[str]) -> set[str]:
    """Return the addresses on which the command, what it started, and its database listen."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True), *mongods()]
    found = [one for member in family for one in member.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    return {one.laddr.ip for one in found}
