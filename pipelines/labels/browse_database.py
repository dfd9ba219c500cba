"""What `curate browse` and `curate browse pull` have in common: a database that answers, ready for FiftyOne."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from curation.errors import EnvironmentProblem
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folder of the user that browsing keeps its files in, and the address of the database."""

    folder: Path
    uri: str


@contextmanager
def browsing_database(*, run: RunOptions) -> Iterator[Place]:
    """Return the database; FiftyOne may be imported inside the block alone.

    Raises EnvironmentProblem where FiftyOne or its database is missing, RemoteUnavailable when it does not answer.
    """
    if importlib.util.find_spec("fiftyone") is None or importlib.util.find_spec("pymongo") is None:
        raise EnvironmentProblem(
            "FiftyOne is not installed",
            remedy="install the extra: pip install 'portrait-curate[browse]'; `curate gallery` needs neither",
        )
    from labeling.browsing.database import database
    from labeling.browsing.mongod import browse_folder

    folder = browse_folder()
    with database(folder, tell=partial(tell, run=run)) as uri:
        yield Place(folder=folder, uri=uri)
