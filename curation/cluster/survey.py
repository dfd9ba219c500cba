"""What a cluster is, for whoever wants to know before giving it work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from curation.building.engine import Job
from curation.cluster.fitness import question
from curation.cluster.ray_door import Cluster, asks_for_token
from curation.cluster.team import Team


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The machines of a cluster by name, why some would get no work, and whether anybody may give it work."""

    machines: Sequence[str]
    unfit: Sequence[str]
    dashboard: str
    is_open: bool


def survey(cluster: Cluster, *, tell: Callable[[str], None]) -> Survey:
    """Ask all machines of a cluster whether they have the programs and the working folder of this one."""
    idle: Job[Any, Any] = Job(open=_idle, workers=1, first_s=1.0)
    team = Team(cluster=cluster, question=question(idle, [], spool=None), tell=tell)
    unfit = team.survey()
    machines = [node.name for node in cluster.nodes()]
    return Survey(machines=machines, unfit=unfit, dashboard=cluster.dashboard, is_open=not asks_for_token())


def _idle(_: int) -> Any:
    return list
