"""The door to MLflow: runs with parameters, metrics and files, and the versions of models. Nothing else imports it.

Runs and versions are found again by a key, so that to say the same twice makes one. No model is ever loaded here: a
version is a set of files, and which may be opened is decided elsewhere.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from curation.errors import ConfigurationProblem, InputRefused, RemoteUnavailable
from curation.images.pixels import Image
from curation.storage.files import make_folder
from models.registry.database import Place, follow_move, make_whole

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

Found = TypeVar("Found")

EXPERIMENT: Final = "curate"
KEY: Final = "curate.key"
SQLITE: Final = "sqlite:///"
FINISHED: Final = "FINISHED"
ABSENT: Final = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"})
"""How MLflow says that there is no such model, version or alias."""
QUIET: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
"""Nothing is sent to anybody else, and a server that is down is reported within a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What is logged of one run; equal `key`, equal run. `files` lie below folders by name: {"model": [...]}."""

    key: str
    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a model as MLflow holds it."""

    name: str
    number: int
    run: str
    source: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    created_ms: int


class Tracker:
    """Runs and versions at one place. A server that fails raises RemoteUnavailable."""

    def __init__(self, place: Place) -> None:
        self._place = place
        _hush()
        with telling(place):
            self._client = _client(place)

    def log(self, record: RunRecord) -> str:
        """Log a run and return its id; to an existing run only what is missing is added."""
        with telling(self._place):
            run = self._run_of(record)
            number, begun = run.info.run_id, run.info.start_time
            parameters = {name: text for name, text in record.parameters.items() if name not in run.data.params}
            metrics = {name: value for name, value in record.metrics.items() if name not in run.data.metrics}
            if run.info.status == FINISHED and not parameters and not metrics:
                return str(number)
            for name, text in parameters.items():
                self._client.log_param(number, name, text)
            for folder, files in record.files.items():
                for file in files:
                    self._client.log_artifact(number, str(file), artifact_path=folder)
            for name, value in metrics.items():
                # at the time of the run, so that what is logged twice is there once
                self._client.log_metric(number, name, value, timestamp=begun, step=0)
            self._client.set_terminated(number, FINISHED)
            return str(number)

    def begin(self, record: RunRecord) -> str:
        """Return the id of an unfinished run, to continue it, or of a new one; its parameters are logged."""
        with telling(self._place):
            run = self._run_of(record, unfinished=True)
            for name in record.parameters.keys() - run.data.params.keys():
                self._client.log_param(run.info.run_id, name, record.parameters[name])
            return str(run.info.run_id)

    def tell(self, run: str, *, metrics: Mapping[str, float], step: int, picture: Image | None = None) -> None:
        """Log the metrics of a step of a run, and a picture."""
        with telling(self._place):
            for name, value in metrics.items():
                self._client.log_metric(run, name, value, step=step)
            if picture is not None:
                self._client.log_image(run, picture, key="samples", step=step)

    def end(self, run: str) -> None:
        """Say that a run is over."""
        with telling(self._place):
            self._client.set_terminated(run, FINISHED)

    def register(self, name: str, *, run: str, folder: str, tags: Mapping[str, str]) -> Version:
        """Return the version of a model that has the key in `tags`; where absent, make it from `folder` of a run."""
        with telling(self._place):
            if (found := self._version_of(name, key=tags[KEY])) is not None:
                return found
            source = f"{self._client.get_run(run).info.artifact_uri}/{folder}"
            self._model(name)
            made = self._client.create_model_version(name, source, run_id=run, tags=dict(tags))
            return _version(made)

    def give_alias(self, version: Version, *, alias: str) -> None:
        """Let an alias name this version, and no other of its model."""
        with telling(self._place):
            self._client.set_registered_model_alias(version.name, alias, str(version.number))

    def take_alias(self, name: str, *, alias: str) -> None:
        """Let an alias of a model name nothing."""
        with telling(self._place):
            self._client.delete_registered_model_alias(name, alias)

    def version(self, name: str, *, number: int | None = None, alias: str | None = None) -> Version | None:
        """Return a version by its number or its alias, None where there is none."""
        with telling(self._place):
            if alias is not None:
                named = _unless_absent(lambda: self._client.get_model_version_by_alias(name, alias))
                number = None if named is None else int(named.version)
            if number is None:
                return None
            # by its number once more: only then are its aliases listed
            found = _unless_absent(lambda: self._client.get_model_version(name, str(number)))
            return None if found is None else _version(found)

    def versions(self, name: str) -> list[Version]:
        """Return all versions of a model, the newest first."""
        with telling(self._place):
            model = _unless_absent(lambda: self._client.get_registered_model(name))
            if model is None:
                return []
            found = [_version(one) for one in self._client.search_model_versions(f"name='{name}'")]
            aliases = {one.number: [a for a, of in model.aliases.items() if int(of) == one.number] for one in found}
            told = [replace(one, aliases=tuple(sorted(aliases[one.number]))) for one in found]
            return sorted(told, key=lambda one: -one.number)

    def metrics(self, run: str) -> dict[str, float]:
        """Return the last value of each metric of a run, none for a run that is gone."""
        with telling(self._place):
            found = _unless_absent(lambda: self._client.get_run(run))
            return {} if found is None else dict(found.data.metrics)

    @contextmanager
    def fetched(self, version: Version, *, names: Sequence[str]) -> Iterator[Path]:
        """Give a folder that holds these files of a version, as they came, for as long as the block runs."""
        from mlflow.artifacts import download_artifacts

        with tempfile.TemporaryDirectory(prefix="curate-") as folder:
            with telling(self._place):
                for name in names:
                    source = f"{version.source}/{name}"
                    download_artifacts(artifact_uri=source, dst_path=folder, tracking_uri=self._place.uri)
            yield Path(folder)

    def _run_of(self, record: RunRecord, *, unfinished: bool = False) -> Any:
        experiment = self._experiment()
        query = f"tags.`{KEY}` = '{record.key}'" + (f" and attributes.status != '{FINISHED}'" if unfinished else "")
        found = self._client.search_runs([experiment], query, order_by=["attributes.start_time ASC"], max_results=1)
        if found:
            return found[0]
        return self._client.create_run(experiment, tags={**record.tags, KEY: record.key}, run_name=record.name)

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(EXPERIMENT, self._place.address))

    def _model(self, name: str) -> None:
        if not self._client.search_registered_models(f"name='{name}'"):
            self._client.create_registered_model(name)

    def _version_of(self, name: str, *, key: str) -> Version | None:
        return next((one for one in self.versions(name) if one.tags.get(KEY) == key), None)


@contextmanager
def telling(place: Place) -> Iterator[None]:
    """Turn what MLflow and its connections raise inside the block into RemoteUnavailable that names the place."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputRefused(
            f"the database of the registry cannot be used: {reason}",
            where=place.uri,
            remedy="see that it can be written and is not held by others; restore it from a backup if it is damaged",
        ) from error
    except (MlflowException, RequestException) as error:
        reason = _without_secrets(str(error).strip().splitlines()[0])
        raise RemoteUnavailable(
            f"MLflow refuses or does not answer: {reason}",
            where=_without_secrets(place.uri),
            remedy="start it, or correct MLFLOW_TRACKING_URI; then run the same command again; it continues",
        ) from error


def require_mlflow() -> None:
    """Raise ConfigurationProblem where MLflow is not installed."""
    if find_spec("mlflow") is None:
        raise ConfigurationProblem(
            "this needs a package that is not installed: mlflow", remedy="install portrait-curate[loop]"
        )


def _unless_absent(ask: Callable[[], Found]) -> Found | None:
    """Return an answer, None when MLflow says that there is no such thing."""
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        return None


def _hush() -> None:
    """Set what MLflow reads when it is imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):  # a line for each table of a new database
        logging.getLogger(name).setLevel(logging.ERROR)


def _client(place: Place) -> MlflowClient:
    from mlflow import MlflowClient

    if place.files is not None:
        make_folder(place.files.parent)
        database = Path(place.uri.removeprefix(SQLITE))
        make_whole(database, make=_make_database)
        follow_move(database, experiment=EXPERIMENT, files=str(place.address))
    return MlflowClient(tracking_uri=place.uri, registry_uri=place.uri)


def _make_database(file: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"{SQLITE}{file}", registry_uri=f"{SQLITE}{file}")
    client.search_experiments(max_results=1)
    client.search_registered_models(max_results=1)


def _version(found: ModelVersion) -> Version:
    return Version(
        name=found.name,
        number=int(found.version),
        run=found.run_id or "",
        source=found.source or "",
        tags=dict(found.tags),
        aliases=tuple(sorted(found.aliases or ())),
        created_ms=int(found.creation_timestamp),
    )


def _without_secrets(text: str) -> str:
    """Return a text without the names and passwords in its addresses.

    >>> _without_secrets("no answer of https://me:secret@example.org/api")
    'no answer of https://example.org/api'
    """
    return re.sub(r"(?<=://)[^/\s]*@", "", text)
