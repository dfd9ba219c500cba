"""Models by name and version, such as `models:/portrait@champion` or `models:/portrait/3`, kept with MLflow.

Of a version only the files of a model are taken, each is checked against the hash that was noted when it was put
there, and they are opened as any foreign model is: nothing that can carry code is read.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from curation.errors import ConfigurationProblem, InputRefused
from curation.quarantine import BadRecord
from curation.storage.files import fingerprint_file, make_folder, read_file, sha256_of, write_durable
from models.model_files import (
    CARD,
    ENDINGS,
    MAX_MODEL_BYTES,
    REGISTERED,
    RESTORE,
    WEIGHTS,
    model_on_disk,
    read_model_file,
)
from models.packed_models import ending_of, model_bytes
from models.registry.database import Place

if TYPE_CHECKING:
    from models.registry.mlflow_door import Tracker, Version

SERVER: Final = "MLFLOW_TRACKING_URI"
WORKSPACE: Final = "CURATE_WORKSPACE"
DEFAULT_WORKSPACE: Final = "loop"
FOLDER: Final = "registry"
DATABASE: Final = "mlflow.db"
MODEL: Final = "model"
FILES_TAG: Final = "curate.files"
MODEL_FILES: Final = 2
PARAMETER_CHARACTERS: Final = 500
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
NAME: Final = re.compile(rf"{REGISTERED}(?P<name>[\w.-]+)(?:@(?P<alias>[A-Za-z][\w.-]*)|/(?P<number>[1-9]\d{{0,8}}))")
ALLOWED: Final = frozenset({WEIGHTS, CARD, *(f"model{ending}" for ending in ENDINGS)})
"""The names of files that a version may hold; all others are left where they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """What is recorded of a model beside its files: numbers of its training or evaluation, hashes of data, pictures.

    `title` names its run, by default as the model; `description`, and `source`, what made it, are for people.
    """

    title: str = ""
    description: str = ""
    source: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A version that was put into the registry; `pinned` names it for ever, whatever the aliases do."""

    name: str
    number: int
    run: str
    is_new: bool

    @property
    def pinned(self) -> str:
        """The name of this very version."""
        return f"{REGISTERED}{self.name}/{self.number}"


def place_of(workspace: Path | None = None) -> Place:
    """Return where models are kept: the server that MLFLOW_TRACKING_URI names, else the registry of a workspace.

    Without one it is that of CURATE_WORKSPACE, or of the folder `loop` where the command runs.
    """
    if server := os.environ.get(SERVER, "").strip():
        return Place(uri=server)
    folder = (workspace or Path(os.environ.get(WORKSPACE) or DEFAULT_WORKSPACE)) / FOLDER
    return Place(uri=f"sqlite:///{(folder / DATABASE).resolve()}", files=folder / "files")


def tracker_of(place: Place) -> Tracker:
    """Open a registry. Raises ConfigurationProblem without MLflow, RemoteUnavailable when it does not answer."""
    from models.registry.mlflow_door import Tracker, require_mlflow

    require_mlflow()
    return Tracker(place)


def register(tracker: Tracker, *, name: str, model: Path, record: ModelRecord) -> Registered:
    """Put a model with its card into the registry, and say which version it is; equal files are one version.

    Raises InputRefused when there is no model, SecurityRefused: a format that can carry code; ConfigurationProblem.
    """
    from models.registry.mlflow_door import KEY, RunRecord

    refuse_name(name)
    files = _model_files(model)
    hashes = {stored: sha256_of(data) for stored, data in files.items()}
    key = sha256_of(msgspec.json.encode(hashes, order="deterministic"))
    before = {version.number for version in tracker.versions(name)}
    with _laid_out(files) as folder:
        run = tracker.log(
            RunRecord(
                key=key,
                name=record.title or model_on_disk(model).name,
                tags=_for_people(record),
                parameters=_parameters(record),
                metrics=record.metrics,
                files={**record.files, MODEL: [folder / stored for stored in files]},
            )
        )
    tags = {KEY: key, FILES_TAG: msgspec.json.encode(hashes, order="sorted").decode()}
    version = tracker.register(name, run=run, folder=MODEL, tags=tags)
    return Registered(name=name, number=version.number, run=run, is_new=version.number not in before)


def pinned(path: Path) -> Path:
    """Return the name of the very version that an alias names now; any other path as it is."""
    text = str(path)
    if not text.startswith(REGISTERED):
        return path
    version = _looked_up(text, tracker=tracker_of(_existing_place(text)))
    return Path(f"{REGISTERED}{version.name}/{version.number}")


def pinned_weights(weights: str | None) -> str | None:
    """Return what a training starts from, an alias as the very version that it names now: a training that was stopped
    continues that one."""
    return str(pinned(Path(weights))) if weights and weights.startswith(REGISTERED) else weights


def fetched(text: str) -> Path:
    """Return the local model, a folder or one file, that a registered name names; its files are checked by hash.

    Raises InputRefused: no such model, or its files are not those that were put there; RemoteUnavailable.
    """
    tracker = tracker_of(_existing_place(text))
    version = _looked_up(text, tracker=tracker)
    hashes = _hashes(version, text=text)
    refuse_name(version.name)  # a server says it, and it names a folder here
    label = f"{version.name}-{version.number}"
    folder = _cache() / sha256_of(msgspec.json.encode(hashes, order="deterministic"))[:16] / label
    is_file = WEIGHTS not in hashes
    targets = {name: folder / (f"{label}{name[name.index('.') :]}" if is_file else name) for name in hashes}
    if not all(_is_whole(targets[name], digest=digest) for name, digest in hashes.items()):
        with tracker.fetched(version, names=sorted(hashes)) as source:
            make_folder(folder)
            for name, digest in hashes.items():
                write_durable(targets[name], _checked(source / name, digest=digest, text=text))
    return next(target for name, target in targets.items() if name != CARD) if is_file else folder


def pasted(words: Sequence[str]) -> str:
    """Return a command to be pasted into a shell; one that names a registered model also names the workspace of it.

    >>> pasted(["curate", "predict", "a b.jpg"])
    "curate predict 'a b.jpg'"
    """
    workspace = os.environ.get(WORKSPACE, "")
    is_needed = workspace and any(word.startswith(REGISTERED) for word in words)
    return (f"{WORKSPACE}={shlex.quote(workspace)} " if is_needed else "") + shlex.join(words)


def refuse_name(name: str) -> None:
    """Raise ConfigurationProblem for a name that looks like a version or a path."""
    if not re.fullmatch(r"[\w.-]{1,100}", name):
        raise ConfigurationProblem(
            f"{name!r} cannot name a model", remedy="use letters, digits, `_`, `-` and `.`, such as portrait"
        )


def _looked_up(text: str, *, tracker: Tracker) -> Version:
    parts = NAME.fullmatch(text)
    if parts is None:
        raise InputRefused(
            "not the name of a registered model", where=text, remedy="write models:/NAME@ALIAS or models:/NAME/VERSION"
        )
    number = None if parts["number"] is None else int(parts["number"])
    version = tracker.version(parts["name"], number=number, alias=parts["alias"])
    if version is None:
        known = tracker.versions(parts["name"])
        told = ", ".join(f"{one.number}{''.join(f' @{alias}' for alias in one.aliases)}" for one in known)
        remedy = f"there are the versions {told}" if known else "`curate registry NAME --add MODEL` puts one there"
        raise InputRefused("there is no such model in the registry", where=text, remedy=remedy)
    return version


def _existing_place(text: str) -> Place:
    """Return where to look; a database is not made by looking."""
    place = place_of()
    if place.files is not None and not (place.files.parent / DATABASE).exists():
        raise InputRefused(
            f"there is no registry in {place.files.parent}",
            where=text,
            remedy=f"run where the workspace lies, or name it with {WORKSPACE}, or a server with {SERVER}",
        )
    return place


def _model_files(model: Path) -> dict[str, bytes]:
    found = model_on_disk(model)
    if not found.card.exists():
        raise InputRefused(
            "the model has no card beside it", where=found.card, remedy="`curate models --inspect` begins one"
        )
    weights = WEIGHTS if found.is_run else f"model{ending_of(found)}"
    data = read_model_file(found.weights) if found.is_run else model_bytes(found)
    return {weights: data, CARD: found.card.read_bytes()}


@contextmanager
def _laid_out(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Give a folder that holds these files for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="curate-") as folder:
        for name, data in files.items():
            write_durable(Path(folder) / name, data)
        yield Path(folder)


def _parameters(record: ModelRecord) -> dict[str, str]:
    data = {f"data {_plain(name)}": digest for name, digest in record.data.items()}
    return {_plain(name): text[:PARAMETER_CHARACTERS] for name, text in record.parameters.items()} | data


def _for_people(record: ModelRecord) -> dict[str, str]:
    """Return the tags that MLflow shows of a run as its description and its source."""
    told = {"mlflow.note.content": record.description, "mlflow.source.name": record.source}
    return {name: text for name, text in told.items() if text}


def _plain(name: str) -> str:
    """Return a name of the characters that MLflow takes.

    >>> _plain("data/a+b")
    'data/a_b'
    """
    return re.sub(r"[^\w\-. /]", "_", name)[:250].strip("/") or "_"


def _hashes(version: Version, *, text: str) -> dict[str, str]:
    """Return the SHA-256 of each file of a version, by the name under which it is stored."""
    try:
        found = msgspec.json.decode(version.tags.get(FILES_TAG, ""), type=dict[str, str])
    except msgspec.DecodeError:
        found = {}
    if not found or not found.keys() <= ALLOWED or CARD not in found or len(found) != MODEL_FILES:
        raise InputRefused(
            "this version was not put there by curate, so that its files cannot be checked",
            where=text,
            remedy="export it to ONNX where it comes from, write a card, and put it there with `curate registry`",
        )
    return found


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "curate" / "models"


def _is_whole(file: Path, *, digest: str) -> bool:
    try:
        return fingerprint_file(file) == digest
    except BadRecord:
        return False


def _checked(file: Path, *, digest: str, text: str) -> bytes:
    try:
        data = read_file(file, max_bytes=MAX_MODEL_BYTES)
    except BadRecord as problem:
        raise InputRefused(problem.reason, where=f"{text}, {file.name}", remedy=RESTORE) from problem
    if (found := sha256_of(data)) != digest:
        reason = f"its SHA-256 is {found}; when it was put into the registry it was {digest}"
        raise InputRefused(reason, where=f"{text}, {file.name}", remedy=RESTORE)
    return data
