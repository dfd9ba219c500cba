"""The engine of a Ray cluster, which is joined by the first job and left at the end of the command."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Final

from curation.building.engine import Job, Lost, R, T
from curation.building.local_engine import LocalEngine
from curation.cluster.job_run import JobRun
from curation.cluster.ray_door import Cluster, join
from curation.cluster.survey import Survey, survey
from curation.cluster.team import processors
from curation.remote.places import CACHE
from curation.storage.image_places import VARIABLE as PLACES

NUMBERS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY", "CUBLAS_WORKSPACE_CONFIG")
VARIABLES: Final = (*NUMBERS, CACHE, PLACES)
"""What numbers may depend on, where files of object stores are kept, and where images may be named: everywhere as it is
here. Ray sets the first one itself."""


@dataclass(slots=True, kw_only=True)
class RayEngine:
    """Runs jobs on a cluster: that at `address`, that of RAY_ADDRESS, or one that is started on this machine.

    It is joined by the first job, and left by `close()`. `tell` is called with a line about what happens there.
    """

    address: str = ""
    tell: Callable[[str], None] = field(default=lambda _: None)
    _cluster: Cluster | None = None

    def run(self, job: Job[T, R], items: Sequence[T]) -> Generator[tuple[int, R | Lost], None, None]:
        """Yield the result of every item; see `Engine`."""
        if not items:
            return
        variables = {name: os.environ.get(name) for name in VARIABLES}
        run = JobRun(self._joined(), job=job, items=items, variables=variables, tell=self.tell)
        try:
            yield from run.results()
        finally:
            run.stop()

    def survey(self) -> Survey:
        """Join the cluster, and return what there is, and why machines of it would get no work."""
        return survey(self._joined(), tell=self.tell)

    def close(self) -> None:
        """Leave the cluster; one that was started for this process ends."""
        if self._cluster is not None:
            self._cluster.leave()
            self._cluster = None

    def __reduce__(self) -> tuple[type[LocalEngine], tuple[()]]:
        """Travel as the local engine: whoever gets part of a job works on it where it is."""
        return LocalEngine, ()

    def _joined(self) -> Cluster:
        if self._cluster is None:
            self._cluster = join(self.address)
            link = f"; dashboard: {self._cluster.dashboard}" if self._cluster.dashboard else ""
            nodes = self._cluster.nodes()
            whose = "started on this machine" if self._cluster.is_ours else "joined"
            number = f"{len(nodes)} machine{'s' * (len(nodes) != 1)}, {processors(nodes)} processors"
            self.tell(f"a Ray cluster was {whose}: {number}{link}")
        return self._cluster
