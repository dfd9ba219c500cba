"""What the next round would do, and why, in words."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.command_line.options import Result
from pipelines.loop.carry_out import PARTS
from pipelines.loop.rounds import Loop, RoundPlan


def explained(loop: Loop, *, plan: RoundPlan, reasons: Sequence[str]) -> Result:
    """Tell the parts of a round that begins for these reasons; without any there is nothing to do."""
    shown = {part.name: text for part in PARTS if reasons and (text := part.text(loop, plan))}
    beginning = (
        f"round {plan.number} would run, since" if reasons else "nothing to do: nothing changed since the last round"
    )
    lines = [beginning, *(f"  - {reason}" for reason in reasons)]
    if shown:
        lines += ["it would", *(f"  {name:9} {text}" for name, text in shown.items())]
    if loop.config.label.project:
        lines.append("labels are not pulled to tell this; new ones are a reason too")
    return Result.of(lines, {"command": "retrain", "explain": True, "reasons": list(reasons), "steps": shown})
