"""The registry on an MLflow of its own: a SQLite database and a folder, made once for all tests here."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from curation.errors import ConfigurationProblem, InputRefused, RemoteUnavailable, SecurityRefused
from models.evaluation.choose_sets import identify
from models.packed_models import model_in_archive
from models.prediction.find_model import find_model
from models.registry.database import ADDRESSES, Place
from models.registry.mlflow_door import RunRecord, Tracker, require_mlflow
from models.registry.registry import ModelRecord, fetched, pinned, place_of, register, tracker_of

pytest.importorskip("mlflow", reason="mlflow is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow's own packages

CARD = "input_size: [8, 8]\nchannels: RGB\nlayout: NCHW\nmean: [0, 0, 0]\nstd: [1, 1, 1]\noutput: probability\n"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(autouse=True)
def own_places(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("CURATE_WORKSPACE", str(workspace))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def tracker(workspace: Path) -> Iterator[Tracker]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield tracker_of(place_of(workspace))


def model(folder: Path, *, weights: bytes = b"weights", onnx: bool = False) -> Path:
    folder.mkdir(parents=True)
    names = ("net.onnx", "net.yaml") if onnx else ("model.safetensors", "model.yaml")
    (folder / names[0]).write_bytes(weights)
    (folder / names[1]).write_text(CARD)
    return folder / names[0] if onnx else folder


def stored(workspace: Path, name: str) -> list[Path]:
    return sorted((workspace / "registry" / "files").rglob(name))


def test_a_model_comes_back_by_version_and_by_alias_with_the_same_bytes(tracker: Tracker, tmp_path: Path) -> None:
    first = register(tracker, name="there", model=model(tmp_path / "1"), record=ModelRecord())
    second = register(tracker, name="there", model=model(tmp_path / "2", weights=b"other"), record=ModelRecord())
    assert (first.pinned, second.pinned) == ("models:/there/1", "models:/there/2")
    version = tracker.version("there", number=1)
    assert version is not None
    tracker.give_alias(version, alias="champion")
    found = find_model(Path("models:/there@champion"))
    assert found.weights.read_bytes() == b"weights"
    assert found.card.read_text() == CARD
    assert found.name == "there-1"
    assert find_model(Path("models:/there/2")).weights.read_bytes() == b"other"


def test_an_onnx_file_comes_back_with_its_card_beside_it(tracker: Tracker, tmp_path: Path) -> None:
    register(tracker, name="onnx", model=model(tmp_path / "1", weights=b"graph", onnx=True), record=ModelRecord())
    found = find_model(Path("models:/onnx/1"))
    assert found.is_onnx
    assert (found.weights.read_bytes(), found.card.read_text()) == (b"graph", CARD)


def test_foreign_models_come_back_in_one_file_with_their_card(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "a.b.tflite").write_bytes(b"file")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"graph")
    for name in ("a.b", "saved"):
        (tmp_path / f"{name}.yaml").write_text(CARD)
    for name, path, ending in (("lite", "a.b.tflite", ".tflite"), ("saved.1", "saved", ".tar.gz")):
        register(tracker, name=name, model=tmp_path / path, record=ModelRecord())
        found = find_model(Path(f"models:/{name}/1"))
        assert (found.weights.name, found.card.read_text()) == (f"{name}-1{ending}", CARD)
    assert model_in_archive(found.weights.read_bytes(), file=found.weights) == {"saved_model.pb": b"graph"}


def test_equal_files_are_one_version_and_one_run_however_often(tracker: Tracker, tmp_path: Path) -> None:
    record = ModelRecord(metrics={"miou_image": 0.5}, data={"data/a b": "1" * 64})
    made = [
        register(tracker, name="once", model=model(tmp_path / name, weights=b"same"), record=record) for name in "abc"
    ]
    assert [one.number for one in made] == [1, 1, 1]
    assert [one.is_new for one in made] == [True, False, False]
    assert len({one.run for one in made}) == 1
    assert tracker.metrics(made[0].run) == {"miou_image": 0.5}


def test_numbers_that_come_later_are_added_to_the_run(tracker: Tracker, tmp_path: Path) -> None:
    folder = model(tmp_path / "m", weights=b"later")
    first = register(tracker, name="later", model=folder, record=ModelRecord())
    second = register(tracker, name="later", model=folder, record=ModelRecord(metrics={"std": 0.1}))
    assert first.run == second.run
    assert tracker.metrics(first.run) == {"std": 0.1}


def test_a_run_that_was_broken_off_is_completed(tracker: Tracker) -> None:
    begun = tracker.begin(RunRecord(key="broken off", name="r"))
    assert tracker.begin(RunRecord(key="broken off", name="r")) == begun
    assert tracker.log(RunRecord(key="broken off", name="r", metrics={"a": 1.0})) == begun
    assert tracker.begin(RunRecord(key="broken off", name="r")) != begun


def test_an_alias_names_one_version_and_can_be_taken_away(tracker: Tracker, tmp_path: Path) -> None:
    for number in (1, 2):
        weights = f"alias {number}".encode()
        register(tracker, name="alias", model=model(tmp_path / str(number), weights=weights), record=ModelRecord())
        version = tracker.version("alias", number=number)
        assert version is not None
        tracker.give_alias(version, alias="champion")
    assert [(one.number, one.aliases) for one in tracker.versions("alias")] == [(2, ("champion",)), (1, ())]
    tracker.take_alias("alias", alias="champion")
    assert tracker.version("alias", alias="champion") is None


def test_an_evaluation_keeps_the_version_that_the_alias_named_when_it_began(tracker: Tracker, tmp_path: Path) -> None:
    made = register(tracker, name="pin", model=model(tmp_path / "m", weights=b"pin"), record=ModelRecord())
    version = tracker.version("pin", number=made.number)
    assert version is not None
    tracker.give_alias(version, alias="champion")
    assert pinned(Path("models:/pin@champion")) == Path("models:/pin/1")
    assert pinned(Path("runs/unet")) == Path("runs/unet")
    found = identify(Path("models:/pin@champion"))
    assert (found.path, found.sha256) == ("models:/pin/1", sha256(b"pin").hexdigest())


def test_files_that_were_changed_in_the_store_are_refused_with_both_hashes(
    tracker: Tracker, tmp_path: Path, workspace: Path
) -> None:
    register(tracker, name="bent", model=model(tmp_path / "m", weights=b"straight"), record=ModelRecord())
    (file,) = [path for path in stored(workspace, "model.safetensors") if path.read_bytes() == b"straight"]
    file.write_bytes(b"crooked!")
    with pytest.raises(InputRefused, match=f"{sha256(b'crooked!').hexdigest()}.*{sha256(b'straight').hexdigest()}"):
        fetched("models:/bent/1")
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    file.unlink()
    with pytest.raises((InputRefused, RemoteUnavailable)):
        fetched("models:/bent/1")


def test_a_cached_file_that_was_changed_is_fetched_again(tracker: Tracker, tmp_path: Path) -> None:
    register(tracker, name="cache", model=model(tmp_path / "m", weights=b"kept"), record=ModelRecord())
    file = fetched("models:/cache/1") / "model.safetensors"
    file.write_bytes(b"bent")
    assert (fetched("models:/cache/1") / "model.safetensors").read_bytes() == b"kept"


def test_a_version_of_somebody_else_is_refused_and_no_pickle_is_fetched(
    tracker: Tracker, tmp_path: Path, workspace: Path
) -> None:
    pickle = tmp_path / "model.pkl"
    pickle.write_bytes(b"\x80\x04.")
    run = tracker.log(RunRecord(key="theirs", name="theirs", files={"model": [pickle]}))
    for number, tag in enumerate(('{"model.pkl":"0","model.yaml":"0"}', "", "[]", '{"../x":"0","model.yaml":"0"}')):
        tracker.register("theirs", run=run, folder="model", tags={"curate.key": str(number), "curate.files": tag})
        with pytest.raises(InputRefused, match="not put there by curate"):
            fetched(f"models:/theirs/{number + 1}")
    assert not (tmp_path / "cache").exists()


def test_a_pickle_is_not_put_into_the_registry(tracker: Tracker, tmp_path: Path) -> None:
    with pytest.raises(SecurityRefused):
        register(tracker, name="evil", model=model(tmp_path / "m", weights=b"\x80\x04N."), record=ModelRecord())
    assert tracker.versions("evil") == []


def test_a_model_without_a_card_is_not_put_into_the_registry(tracker: Tracker, tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / "model.yaml").unlink()
    with pytest.raises(InputRefused, match="no card"):
        register(tracker, name="bare", model=folder, record=ModelRecord())


@pytest.mark.parametrize("name", ["models:/", "models:/a", "models:/a/0", "models:/a@1@2", "models:/../x/1"])
def test_what_is_no_name_is_refused(tracker: Tracker, name: str) -> None:
    with pytest.raises(InputRefused, match="not the name of a registered model"):
        fetched(name)


def test_a_version_that_is_not_there_is_refused_with_those_that_are(tracker: Tracker, tmp_path: Path) -> None:
    register(tracker, name="few", model=model(tmp_path / "m", weights=b"few"), record=ModelRecord())
    with pytest.raises(InputRefused, match="no such model") as told:
        fetched("models:/few/7")
    assert "there are the versions 1" in told.value.remedy
    with pytest.raises(InputRefused, match="no such model") as told:
        fetched("models:/none@champion")
    assert "--add MODEL" in told.value.remedy


def test_to_look_for_a_model_makes_no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_WORKSPACE", str(tmp_path / "none"))
    with pytest.raises(InputRefused, match="there is no registry"):
        fetched("models:/portrait@champion")
    assert not (tmp_path / "none").exists()


def test_a_name_that_could_be_a_path_is_refused(tracker: Tracker, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationProblem, match="cannot name a model"):
        register(tracker, name="a/b", model=model(tmp_path / "m"), record=ModelRecord())


def test_the_environment_names_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    assert place_of() == Place(uri="https://mlflow.example.org")


def test_a_server_that_is_down_is_told_of_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = Tracker(Place(uri="http://user:S3CRET@127.0.0.1:9"))
    with pytest.raises(RemoteUnavailable) as told:
        away.versions("portrait")
    assert told.value.exit_code == 6
    assert told.value.where == "http://127.0.0.1:9"
    assert "S3CRET" not in str(told.value)


def test_without_mlflow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.registry.mlflow_door.find_spec", lambda name: None)
    with pytest.raises(ConfigurationProblem, match="mlflow"):
        require_mlflow()


def test_the_database_is_whole(tracker: Tracker, workspace: Path) -> None:
    with sqlite3.connect(workspace / "registry" / "mlflow.db") as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)


def test_a_workspace_that_was_moved_finds_its_models_and_adds_to_them(
    tracker: Tracker, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = register(tracker, name="moved", model=model(tmp_path / "1"), record=ModelRecord())
    place = tmp_path / "elsewhere with 50 %_"
    shutil.copytree(workspace, place)
    monkeypatch.setenv("CURATE_WORKSPACE", str(place))
    away = workspace.rename(tmp_path / "away")
    try:
        assert find_model(Path(before.pinned)).weights.read_bytes() == b"weights"
        added = register(
            tracker_of(place_of(place)), name="moved", model=model(tmp_path / "2", weights=b"2"), record=ModelRecord()
        )
        assert find_model(Path(added.pinned)).weights.read_bytes() == b"2"
        assert not workspace.exists()
    finally:
        away.rename(workspace)


def test_a_database_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(b"no database, but long enough to look like the head of one" * 9)
    with pytest.raises(InputRefused, match="cannot be used: file is not a database") as refused:
        tracker_of(place_of(tmp_path))
    assert "mlflow.db" in str(refused.value.where)


def test_the_columns_in_which_mlflow_keeps_addresses_are_those_that_follow_a_move(
    tracker: Tracker, workspace: Path, tmp_path: Path
) -> None:
    """At an upgrade of MLflow with other tables, a workspace that is moved would lose its models without a word."""
    register(tracker, name="addresses", model=model(tmp_path / "1"), record=ModelRecord())
    address = (workspace / "registry" / "files").resolve().as_uri()
    holding = set()
    with closing(sqlite3.connect(workspace / "registry" / "mlflow.db")) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for _, column, *_ in database.execute(f"pragma table_info('{table}')").fetchall():
                where = f"""select count(*) from "{table}" where cast("{column}" as text) like ? || '%'"""
                if database.execute(where, (address,)).fetchone() != (0,):
                    holding.add((table, column))
        for table, column in ADDRESSES:
            database.execute(f"select {column} from {table}")
    assert holding
    assert holding <= set(ADDRESSES)
