"""What the commands of `curate label` have in common: the server they talk to, and the project of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from curation.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curation.dataset.dataset import Dataset
    from labeling.label_tools.label_studio.server.client import Client

SERVER_FOLDER: Final = "Folder of the server of `curate label serve`.  [default: one for each user]"
PROJECT: Final = "Name of the project in Label Studio.  [default: the name of the dataset]"
PATIENCE: Final = "Seconds to wait, each time, for a server that does not answer or fails."
TITLE_LENGTH: Final = 50
SHORTEST_TITLE: Final = 3


def server_folder(folder: Path | None) -> Path:
    """Return the folder of our own server."""
    from labeling.label_tools.label_studio.server.access import default_folder

    return default_folder() if folder is None else folder


@contextmanager
def connected(folder: Path | None, *, patience_s: float) -> Iterator[Client]:
    """Give calls to the server that the environment names, or that `curate label serve` started.

    Raises EnvironmentProblem where the packages of the extra `label` are not installed.
    """
    try:
        from labeling.label_tools.label_studio.server.client import Client, Patience
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            f"the package {error.name} is not installed",
            remedy="install the extra: pip install 'portrait-curate[label]'",
        ) from error
    from labeling.label_tools.label_studio.server.access import find_access

    with Client(find_access(server_folder(folder)), patience=Patience(limit_s=patience_s)) as client:
        yield client


def project_title(dataset: Dataset, *, project: str | None) -> str:
    """Return the name of the project of a dataset; one that was not asked for is made to fit."""
    from labeling.label_tools.label_studio.project.project import checked_title

    if project is not None:
        return checked_title(project)
    name = dataset.card.name[:TITLE_LENGTH]
    return name if len(name) >= SHORTEST_TITLE else f"curate {name}"


def unread_warnings(tools: Sequence[str]) -> tuple[str, ...]:
    """Return what is said of a project with tools whose regions are not read, nothing where there is none."""
    if not tools:
        return ()
    return (
        f"the project has tools whose regions are not read: {', '.join(tools)}; a task on which a person is drawn with "
        "one is set aside at the pull, with the type of the region",
    )
