"""The door to Ray: joins a cluster or starts one on this machine, gives tasks to its machines, and takes it down.

Nothing else imports Ray. Tasks are not tried again by Ray: whoever gives them knows what was already done.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeAlias

from curation.cluster.shards import Node
from curation.errors import ConfigurationProblem, CurateError, EnvironmentProblem, RemoteUnavailable

INSTALL: Final = "install the extra: pip install 'portrait-curate[ray]'"
ADDRESS: Final = "RAY_ADDRESS"
AUTHENTICATION: Final = "RAY_AUTH_MODE"
FIRST_WITH_TOKENS: Final = (2, 52)
STORE_BYTES: Final = 128 << 20
"""Of Ray's object store on this machine: only paths, counts and small results pass it."""
KNOCK_S: Final = 10.0
JOIN_S: Final = 60.0
END_S: Final = 15.0
TOKEN_REMEDY: Final = (
    "copy the token of the cluster to ~/.ray/auth_token (on its head, `ray get-auth-token` shows it), or set "
    f"RAY_AUTH_TOKEN; {AUTHENTICATION}=disabled joins a cluster that asks for none, and lets anybody in"
)
Task: TypeAlias = Any
"""What Ray gives for a task that was handed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a task ended: with a value, with an error of its own, or, with neither, since its machine or process died."""

    value: Any = None
    error: Exception | None = None
    lost: str = ""


class Cluster:
    """A cluster that this process has joined; `dashboard` is where its state can be looked at, "" where nowhere."""

    def __init__(self, *, address: str, dashboard: str, session: Path | None) -> None:
        self.address = address
        self.dashboard = dashboard
        self._session = session

    @property
    def is_ours(self) -> bool:
        """Whether the cluster was started for this process, and ends with it."""
        return self._session is not None

    def nodes(self) -> list[Node]:
        """Return the machines that are there and may take work."""
        with _telling_of_loss(self.address):
            return [
                Node(
                    id=one["NodeID"],
                    name=f"{one['NodeManagerHostname']} ({one['NodeManagerAddress']}, {one['NodeID'][:8]})",
                    cpus=one["Resources"].get("CPU", 0.0),
                    gpus=one["Resources"].get("GPU", 0.0),
                )
                for one in _ray().nodes()
                if one["Alive"] and one["Resources"].get("CPU", 0.0) > 0
            ]

    def give(
        self, function: Callable[..., Any], values: dict[str, Any], *, node: Node, cpus: float, gpus: float = 0.0
    ) -> Task:
        """Hand a task to a machine, with so much of it."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node_id=node.id, soft=False)
        with _telling_of_loss(self.address):
            remote = _ray().remote(function)
            options = {"num_cpus": cpus, "max_retries": 0, "scheduling_strategy": there, "name": function.__name__}
            return remote.options(**options | ({"num_gpus": gpus} if gpus else {})).remote(**values)

    def ended(self, tasks: Sequence[Task], *, patience_s: float) -> list[Task]:
        """Return those tasks that have ended, once one has, or the time is over."""
        with _telling_of_loss(self.address):
            done, _ = _ray().wait(list(tasks), num_returns=1, timeout=patience_s, fetch_local=False)
            if done and len(tasks) > 1:
                done, _ = _ray().wait(list(tasks), num_returns=len(tasks), timeout=0, fetch_local=False)
            return list(done)

    def result(self, task: Task) -> Ended:
        """Return how a task ended."""
        from ray.exceptions import RayError, RayTaskError

        with _telling_of_loss(self.address):
            try:
                return Ended(value=_ray().get(task, timeout=JOIN_S))
            except RayTaskError as error:
                return Ended(error=error.cause if isinstance(error.cause, Exception) else error)
            except RayError as error:
                return Ended(lost=_in_short(error))

    def stop(self, tasks: Sequence[Task]) -> None:
        """End tasks, also those that are at work, and wait until they are."""
        if not tasks:
            return
        with suppress(Exception):  # the cluster itself may be what is lost
            for task in tasks:
                _ray().cancel(task, force=True)
            _ray().wait(list(tasks), num_returns=len(tasks), timeout=END_S, fetch_local=False)

    def leave(self) -> None:
        """Leave the cluster; one that was started for this process is taken down, and what it wrote is deleted."""
        with suppress(Exception):  # as above; whatever stays behind dies with this process
            _ray().shutdown()
        if self._session is not None:
            with suppress(OSError):
                shutil.rmtree(self._session)


def join(address: str) -> Cluster:
    """Join the cluster at `ray://HOST:PORT`, that of RAY_ADDRESS, or else start one on this machine.

    Raises EnvironmentProblem without Ray or for another version of it, RemoteUnavailable where nobody answers,
    ConfigurationProblem where the token is missing or wrong.
    """
    _prepare_environment()
    where = address or os.environ.get(ADDRESS, "")
    if where and where not in {"auto", "local"}:
        _knock(where)
    ray = _ray()
    if ray.is_initialized():
        raise ConfigurationProblem(
            "this process is connected to Ray already", remedy="leave it with ray.shutdown(); then call this again"
        )
    common: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False, "configure_logging": False}
    own: dict[str, Any] = {"object_store_memory": STORE_BYTES, "include_dashboard": has_dashboard()}
    with _signals_kept(), _telling_why(where):
        if where and where != "local":
            context = ray.init(address=where, **common)
        else:
            context = ray.init(address="local", **common, **own)
    _silence_machines()
    is_own = not where or where == "local"
    link = getattr(context, "dashboard_url", "") or ""
    session = Path(context.address_info["session_dir"]) if is_own else None
    return Cluster(address=where, dashboard=f"http://{link}" if link else "", session=session)


def _silence_machines() -> None:
    """Do not print the last twenty lines of every machine that dies: that it did is told in one line.

    Ray has no setting for this. The name is not public; where it is another, the lines are printed.
    """
    with suppress(ImportError, AttributeError):
        from ray._private.ray_logging import global_worker_stdstream_dispatcher

        global_worker_stdstream_dispatcher.remove_handler("ray_print_logs")


def has_dashboard() -> bool:
    """Tell whether what the dashboard of Ray needs is installed."""
    return all(find_spec(name) is not None for name in ("aiohttp", "aiohttp_cors", "opencensus", "prometheus_client"))


def asks_for_token() -> bool:
    """Tell whether clusters that are joined or started here ask everybody for a token."""
    return os.environ.get(AUTHENTICATION, "").lower() == "token"


def installed_version() -> str:
    """Return the version of Ray, "" where it is not installed; it is not imported."""
    try:
        return version("ray")
    except PackageNotFoundError:
        return ""


def _prepare_environment() -> None:
    """Set what Ray reads when it is imported: ask for a token, and send nobody what is done here."""
    if not (found := installed_version()):
        raise EnvironmentProblem("--engine ray needs Ray, which is not installed", remedy=INSTALL)
    if tuple(map(int, found.split(".")[:2])) >= FIRST_WITH_TOKENS:
        os.environ.setdefault(AUTHENTICATION, "token")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # machines have this tool; nothing is sent there
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise EnvironmentProblem(f"Ray cannot be imported: {error}", remedy=INSTALL) from error
    return ray


def _knock(where: str) -> None:
    """Look whether anything listens at an address: Ray itself tries for minutes."""
    host, _, port = where.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()
    except (OSError, ValueError) as error:
        raise RemoteUnavailable(
            f"no Ray cluster answers: {error}",
            where=where,
            remedy="start it, or correct the address: ray://HOST:10001 from anywhere; on a machine of the cluster "
            f"{ADDRESS}=auto, or HOST:6379",
        ) from error


def _in_short(error: Exception) -> str:
    """Return the first sentence of what Ray says, which goes on for lines."""
    said = " ".join(str(error).split())
    return said.removeprefix("The task is not schedulable: ").partition(". ")[0][:200] or type(error).__name__


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep what this process does on signals: joining sets a way of its own."""
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)} if is_main else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _telling_why(where: str) -> Iterator[None]:
    """Say in our words why a cluster cannot be joined or started."""
    try:
        yield
    except CurateError:
        raise
    except Exception as error:
        said, place = " ".join(str(error).split()), where or "this machine"
        if "uthenticat" in said or "oken" in said:
            raise ConfigurationProblem(
                f"the cluster was not joined: {said[:300]}", where=place, remedy=TOKEN_REMEDY
            ) from error
        if not where or where == "local":
            raise EnvironmentProblem(
                f"Ray did not start here: {said[:300]}",
                remedy="see /tmp/ray/session_latest/logs; it needs some 2 GB of memory, and minutes on a busy machine; "
                "then run the same command again, or leave out --engine",
            ) from error
        if "ersion mismatch" in said or ("ersion" in said and "ython" in said):
            raise EnvironmentProblem(
                f"the cluster runs other versions: {said[:600]}",
                where=place,
                remedy="install the same versions of Ray and Python here and there",
            ) from error
        raise RemoteUnavailable(
            f"something answers there, but it does not let us join: {said[:300]}",
            where=place,
            remedy="ray://HOST:10001 is for clients, HOST:6379 for machines of the cluster; or the token is another: "
            f"{TOKEN_REMEDY}",
        ) from error


@contextmanager
def _telling_of_loss(where: str) -> Iterator[None]:
    """Say in our words that the cluster itself is lost."""
    try:
        yield
    except (ConnectionError, RuntimeError, TimeoutError) as error:
        if isinstance(error, NotImplementedError | RecursionError):
            raise
        raise RemoteUnavailable(
            f"the cluster is lost: {' '.join(str(error).split())[:300]}",
            where=where or "this machine",
            remedy="start it again; then run the same command again; it continues where it was",
        ) from error
