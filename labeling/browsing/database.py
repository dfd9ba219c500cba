"""The database behind FiftyOne: your own by `FIFTYONE_DATABASE_URI`, else one of ours that lives while it is used.

Ours listens on a socket file alone and keeps everything in one folder that only its user can open. The first that needs
it starts it, all others that run at the same time share it, and it stops when the last one has left, however that came
about.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus, unquote, urlsplit

import msgspec

from curation.errors import ConfigurationProblem, CurateError, EnvironmentProblem, RemoteUnavailable
from curation.storage.files import make_folder, telling_where
from labeling.browsing.guard import ADDRESS, LOG, USERS, Address, remove_socket
from labeling.browsing.mongod import CVE, Mongod, Version, find_mongod, is_affected, note_release, said_of
from labeling.local_server import LOOPBACK

URI: Final = "FIFTYONE_DATABASE_URI"
INSTALL: Final = "install the extra: pip install 'portrait-curate[browse]'"
NO_DATABASE: Final = f"or name your own MongoDB with {URI}; `curate gallery` needs no database"
SAFER: Final = (
    "it takes no compressed messages, in which the fault is, and only you can reach it; a newer mongod on the path is "
    f"taken where it opens the database, or name your own with {URI}"
)
LOAD_S: Final = 3600.0
START_S: Final = 120.0
"""A slow machine takes that long to bring a database back after a power cut."""
ANSWER_S: Final = 5.0
LOOK_S: Final = 0.1
QUIET: Final = {
    "FIFTYONE_DO_NOT_TRACK": "1",
    "FIFTYONE_DATABASE_VALIDATION": "0",
    "FIFTYONE_LOGGING_LEVEL": "ERROR",
    "FIFTYONE_SHOW_PROGRESS_BARS": "0",
    "FIFTYONE_DISABLE_SERVICES": "1",
    "FIFTYONE_DEFAULT_APP_ADDRESS": LOOPBACK,
}
"""What FiftyOne may not do: call home, warn of the version of its database, start services of its own, listen outside.

Without the check of versions it takes the MongoDB of its own wheel without a complaint about its age."""


@contextmanager
def database(
    folder: Path, *, tell: Callable[[str], None] = lambda _: None, mongod: Callable[[Path], Mongod | None] = find_mongod
) -> Iterator[str]:
    """Return the address of a database that answers, and prepare the environment for FiftyOne.

    `tell` is called with what a user should know of the program that is started, or of the server that answers.

    Raises RemoteUnavailable when the one that the environment names does not answer, EnvironmentProblem when ours
    cannot be started, ConfigurationProblem for an address that is none.
    """
    given = os.environ.get(URI, "").strip()
    if given:
        os.environ.update(QUIET)
        _answering(given)
        _tell_of(version_at(given), tell=tell, where=_shown(given), remedy="update it")
        with _telling_its_end(given):
            yield given
        return
    with in_use(folder):
        uri = _started(folder, mongod=mongod, tell=tell)
        os.environ.update(QUIET | {URI: uri})
        try:
            with _telling_its_end(uri):
                yield uri
        finally:
            del os.environ[URI]


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Let one process at a time load samples; the others wait for it."""
    make_folder(folder)
    descriptor = os.open(folder / "loading", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _locked(descriptor, kind=fcntl.LOCK_EX, where=folder, limit_s=LOAD_S)
        yield
    finally:
        os.close(descriptor)


def is_answering(uri: str, *, pid: int | None = None) -> bool:
    """Tell whether a database answers, and, where `pid` is given, whether it is that process."""
    import pymongo
    import pymongo.errors

    client: Any = None
    try:
        client = pymongo.MongoClient(uri, serverSelectionTimeoutMS=int(ANSWER_S * 1000))
        if pid is None:
            client.admin.command("ping")
            return True
        return bool(client.admin.command("serverStatus")["pid"] == pid)
    except pymongo.errors.ConnectionFailure:
        return False
    finally:
        if client is not None:
            client.close()


def version_at(uri: str) -> Version | None:
    """Ask a database that answers for its version; None where it does not tell."""
    import pymongo
    import pymongo.errors

    client: Any
    try:
        with pymongo.MongoClient(uri, serverSelectionTimeoutMS=int(ANSWER_S * 1000)) as client:
            major, minor, patch, *_ = client.server_info()["versionArray"]
            return major, minor, patch
    except (pymongo.errors.PyMongoError, KeyError, ValueError):
        return None


def _tell_of(version: Version | None, *, tell: Callable[[str], None], where: str, remedy: str) -> None:
    if is_affected(version):
        tell(f"note: MongoDB {said_of(version)} ({where}) lies in the range of {CVE}; {remedy}")


def stopped(uri: str) -> RemoteUnavailable:
    """Return the error to raise when a database that answered does so no longer."""
    return RemoteUnavailable(
        "the database does not answer any more",
        where=_shown(uri),
        remedy="run the same command again: what is missing or stale in the view is made again from the datasets",
    )


@contextmanager
def _telling_its_end(uri: str) -> Iterator[None]:
    """Turn whatever goes wrong inside the block because the database has gone into RemoteUnavailable."""
    try:
        yield
    except CurateError:
        raise
    except Exception as error:
        if is_answering(uri):
            raise
        raise stopped(uri) from error


def _answering(uri: str) -> None:
    import pymongo.errors

    remedy = f"correct {URI}; it looks like mongodb://user:password@host:27017"
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise ConfigurationProblem("this is no address of a MongoDB", where=URI, remedy=remedy)
    try:
        if not is_answering(uri):
            raise RemoteUnavailable(
                "no MongoDB answers here",
                where=_shown(uri),
                remedy=f"start it, or unset {URI} to have one started; `curate gallery` needs no database",
            )
    except pymongo.errors.PyMongoError as error:
        raise ConfigurationProblem(f"MongoDB refuses: {error}", where=_shown(uri), remedy=remedy) from error


def _shown(uri: str) -> str:
    """Return an address without its password.

    >>> _shown("mongodb://ann:secret@host:27017/?x=1")
    'mongodb://host:27017'
    """
    parts = urlsplit(uri)
    return f"{parts.scheme}://{unquote(parts.netloc.rpartition('@')[2])}"


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Tell the guard of the database in a folder that somebody uses it while the block runs."""
    make_folder(folder)
    with telling_where(folder):
        folder.chmod(0o700)
    # made in place: a file that is replaced would be another one to who holds the first
    with telling_where(folder / USERS):
        descriptor = os.open(folder / USERS, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        # a guard that stops its database holds it for a moment
        _locked(descriptor, kind=fcntl.LOCK_SH, where=folder)
        yield
    finally:
        os.close(descriptor)


def _started(folder: Path, *, mongod: Callable[[Path], Mongod | None], tell: Callable[[str], None]) -> str:
    """Return the address of our database; of several that come at once, one starts it."""
    descriptor = os.open(folder / "starting", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _locked(descriptor, kind=fcntl.LOCK_EX, where=folder)
        if (uri := _running(folder)) is not None:
            return uri
        program = mongod(folder)
        if program is None:
            raise EnvironmentProblem(
                "there is no mongod, in which FiftyOne keeps its data, or none that can open the files in its folder",
                where=folder / "db",
                remedy=f"{INSTALL}, {NO_DATABASE}",
            )
        _tell_of(program.version, tell=tell, where=str(program.path), remedy=SAFER)
        note_release(folder, mongod=program)
        if (left := _address(folder)) is not None and not _is_alive(left.pid):
            remove_socket(Path(left.socket))
        (folder / ADDRESS).unlink(missing_ok=True)
        command = [sys.executable, "-m", "labeling.browsing.guard", str(folder.resolve()), str(program.path)]
        return _awaited(folder, guard=_spawned(command))
    finally:
        os.close(descriptor)


def _spawned(command: list[str]) -> int:
    """Start a process that may outlive us, in a session of its own; give its id."""
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    return os.posix_spawn(command[0], command, os.environ, file_actions=null, setsid=True)


def _awaited(folder: Path, *, guard: int) -> str:
    end = time.monotonic() + START_S
    while time.monotonic() < end and _is_alive(guard):
        if (address := _address(folder)) is not None:
            if not _is_alive(address.pid):
                break
            uri = _uri(address)
            with suppress(OSError):
                if is_answering(uri, pid=address.pid):
                    return uri
        time.sleep(LOOK_S)
    raise EnvironmentProblem(
        "the database does not start",
        where=folder / LOG,
        remedy=f"look there; the view can be made again, so the folder {folder / 'db'} may be deleted; {NO_DATABASE}",
    )


def _running(folder: Path) -> str | None:
    address = _address(folder)
    if address is None or not _is_alive(address.pid):
        return None
    uri = _uri(address)
    return uri if is_answering(uri, pid=address.pid) else None


def _address(folder: Path) -> Address | None:
    try:
        return msgspec.json.decode((folder / ADDRESS).read_bytes(), type=Address)
    except (OSError, msgspec.DecodeError):
        return None


def _uri(address: Address) -> str:
    return f"mongodb://{quote_plus(address.socket)}/?serverSelectionTimeoutMS={int(ANSWER_S * 1000)}"


def _is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and waits to be looked at does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state != b"Z"


def _locked(descriptor: int, *, kind: int, where: Path, limit_s: float = START_S) -> None:
    end = time.monotonic() + limit_s
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise EnvironmentProblem(
                    f"another process holds the database for more than {limit_s:.0f} s",
                    where=where,
                    remedy=f"wait until it ends, or stop it; the log is {where / LOG}",
                ) from None
            time.sleep(LOOK_S)
