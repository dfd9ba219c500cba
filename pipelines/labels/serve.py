"""`curate label serve`: a Label Studio of one's own on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from curation.errors import EnvironmentProblem
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import tell
from pipelines.labels.server import SERVER_FOLDER, server_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeFlags:
    """Where the server keeps its data, and where it listens."""

    folder: Path | None = setting(SERVER_FOLDER, default=None, metavar="DIR")
    port: int | None = setting("Port of 127.0.0.1.  [default: the first free one from 8080 on]", default=None)
    show_login: bool = setting("Print the password and the token, which secrets.json holds as well.", default=False)


def serve(settings: ServeFlags, *, run: RunOptions) -> Result:
    """Start Label Studio on this machine and run it until Ctrl-C.

    The first time it is installed into an environment of its own in the cache (about 800 MB). It listens on 127.0.0.1
    only, keeps everything in one folder (SQLite), takes no new users and calls nobody. The first user and a token are
    made, and kept in secrets.json in that folder, which only you can read; the other commands find them there.

    \b
    Example:  curate label serve &
              curate label push hard-cases
    """
    from labeling.label_tools.label_studio.server.access import API_KEY, URL, default_folder, read_running, read_secrets
    from labeling.label_tools.label_studio.server.install import PROGRAM, SERVER
    from labeling.label_tools.label_studio.server.serve import serving

    folder = server_folder(settings.folder)

    say = partial(tell, run=run)  # a server gives its result while it runs
    program = SERVER.program(PROGRAM, tell=say)
    with serving(folder, program=program, port=settings.port, tell=say) as server:
        running = read_running(folder) if server is None else server.running
        assert running is not None, "it answered a moment ago"
        data: dict[str, Any] = {"command": "label serve", "url": running.url, "folder": str(folder)}
        secrets = read_secrets(folder)
        login = f"sign in as {secrets.email}; the password is in {folder / 'secrets.json'}"
        if settings.show_login:
            login = f"sign in as {secrets.email} with {secrets.password}; token {secrets.token}"
        if folder.resolve() != default_folder().resolve():
            login += f"; other commands find it by --folder, `curate retrain` by {URL}={running.url} and {API_KEY}"
        if server is None:
            lines = [f"Label Studio is already up: {running.url}", f"  {login}"]
            return Result.of(lines, data | {"was_up": True})
        say(f"Label Studio is up: {running.url}")
        say(f"{login}; Ctrl-C stops it")
        code = server.wait()
    raise EnvironmentProblem(
        f"Label Studio ended by itself with {code}",
        where=folder / "server.log",
        remedy="look there, and start it again",
    )
