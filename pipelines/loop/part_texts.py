"""What each part of a round does, in words, for those who ask before it and those who watch it."""

from __future__ import annotations

from pipelines.loop.rounds import Loop, RoundPlan
from pipelines.loop.teaching import prelabel_flags


def pull(loop: Loop, plan: RoundPlan) -> str:
    """Say what is pulled; "" where nobody is asked."""
    return f"corrected labels from the project {loop.config.label.project!r}" if loop.config.label.project else ""


def teach(loop: Loop, plan: RoundPlan) -> str:
    """Say which models label what; "" where none does."""
    flags = prelabel_flags(loop, plan=plan, out=loop.rounds)
    if flags is None:
        return ""
    teachers, pools = (", ".join(map(str, places)) for places in (flags.teacher, flags.pool))
    return f"{pools} by {teachers}, kept where they agree by {flags.agreement:g}"


def build(loop: Loop, plan: RoundPlan) -> str:
    """Say what the training set is made of."""
    folders = ", ".join(map(str, [*loop.train, *loop.pool]))
    return f"a training set of {folders}; hard cases of the last round count {loop.config.data.hard_weight} times"


def train(loop: Loop, plan: RoundPlan) -> str:
    """Say what is trained, from which weights, for how long."""
    told = loop.config.train
    start = "random weights" if told.start == "random" or not plan.champion else told.start
    return f"{told.network} from {start}, {' + '.join(str(stage.epochs) for stage in told.stages)} epochs"


def evaluate(loop: Loop, plan: RoundPlan) -> str:
    """Say what is compared, on which test sets."""
    tests = ", ".join(f"{one.data} ({one.split})" for one in loop.config.data.test)
    return f"against {plan.champion or 'nobody: there is no champion yet'}, on {tests}"


def gate(loop: Loop, plan: RoundPlan) -> str:
    """Say what promotes."""
    rules = loop.config.gate
    return (
        f"promoted by a gain shown with {rules.confidence:.0%} confidence; "
        f"no slice may lose more than {rules.max_slice_loss:g}"
    )


def control(loop: Loop, plan: RoundPlan) -> str:
    """Say what the control learns from; "" where none is asked for."""
    if plan.control:
        return f"the same training on the labels as they were in round {plan.control}, to show what new ones contribute"
    return "none: no round before this one has a training set" if loop.config.control else ""


def mine(loop: Loop, plan: RoundPlan) -> str:
    """Say what is looked for, and by which model."""
    judged = f", labels judged by {', '.join(told.teachers)}" if (told := loop.config.mine).teachers else ""
    return f"hard cases under {told.threshold:g} with the model that won{judged}"


def push(loop: Loop, plan: RoundPlan) -> str:
    """Say how many samples go to annotators; "" where nobody is asked."""
    label = loop.config.label
    return f"up to {label.budget} samples, by {label.select}, to {label.project!r}" if label.project else ""


def report(loop: Loop, plan: RoundPlan) -> str:
    """Say where the pages are."""
    return f"{loop.rounds}/*/report.html and index.html"
