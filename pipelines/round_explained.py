"""What the next round would do, and why, in words."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.options import Result
from pipelines.rounds import Loop


def explained(loop: Loop, *, champion: str, reasons: Sequence[str], number: int, control: int) -> Result:
    """Tell the steps of a round that begins for these reasons; without any there is nothing to do.

    `control` is the round whose labels the control learns from, 0 where none is trained.
    """
    config = loop.config
    project, data = config.label.project, config.data
    tests = ", ".join(f"{one.data} ({one.split})" for one in data.test)
    start = "random weights" if config.train.start == "random" or not champion else config.train.start
    epochs = " + ".join(str(stage.epochs) for stage in config.train.stages)
    steps = {
        "pull": f"corrected labels from the project {project!r}" if project else "",
        "build": f"a training set of {', '.join(map(str, [*loop.train, *loop.pool]))}; "
        f"hard cases of the last round count {config.data.hard_weight} times",
        "train": f"{config.train.network} from {start}, {epochs} epochs",
        "evaluate": f"against {champion or 'nobody: there is no champion yet'}, on {tests}",
        "gate": f"promoted by a gain shown with {config.gate.confidence:.0%} confidence; "
        f"no slice may lose more than {config.gate.max_slice_loss:g}",
        "control": f"the same training on the labels as they were in round {control}, which tells what new ones bring"
        if control
        else "none: no round before this one has a training set"
        if config.control
        else "",
        "mine": f"hard cases under {config.mine.threshold:g} with the model that won",
        "push": f"up to {config.label.budget} samples, by {config.label.select}, to {project!r}" if project else "",
        "report": f"{loop.rounds}/*/report.html and index.html",
    }
    shown = {name: text for name, text in steps.items() if text}
    lines = [f"round {number} would run, since" if reasons else "nothing to do: nothing changed since the last round"]
    lines += [f"  - {reason}" for reason in reasons]
    if reasons:
        lines += ["it would", *(f"  {name:9} {text}" for name, text in shown.items())]
    if project:
        lines.append("labels are not pulled to tell this; new ones are a reason too")
    return Result(
        summary="\n".join(lines),
        data={"command": "retrain", "explain": True, "reasons": list(reasons), "steps": shown if reasons else {}},
    )
