"""What `curate doctor --engine ray` looks at: whether the cluster answers, and which of its machines could work."""

from __future__ import annotations

from typing import Any, Final

from curation.errors import CurateError
from pipelines.diagnosis.check import Check

OPEN: Final = "RAY_AUTH_MODE=disabled: who reaches the cluster runs what they like on it"


def check_cluster(machines: Any, *, engine: str) -> list[Check]:
    """Check the cluster that `--engine` names: whoever asks for it needs it."""
    try:
        found = machines.survey()
    except CurateError as problem:
        told = {"found": problem.cause, "remedy": problem.remedy}
        return [Check(name="cluster", is_fine=False, is_needed=True, **told)]
    finally:
        machines.close()
    link = f"; dashboard: {found.dashboard}" if found.dashboard else "; no dashboard is told"
    number = len(found.machines) - len(found.unfit)
    remedy = "the lines on machines say why"
    checks = [
        Check(
            name="cluster",
            is_fine=number > 0,
            found=f"{engine}: {number} of {len(found.machines)} machines can work{link}",
            remedy=remedy,
            is_needed=True,
        )
    ]
    for line in found.unfit:
        remedy = "install the same state of curate there, and mount this folder under the same path"
        checks.append(Check(name="machine", is_fine=False, found=line, remedy=remedy, is_needed=True))
    token = "everybody is asked for the token" if not found.is_open else OPEN
    remedy = "unset RAY_AUTH_MODE, here and where the cluster is started"
    return [*checks, Check(name="token", is_fine=not found.is_open, found=token, remedy=remedy)]
