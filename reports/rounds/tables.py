"""The tables of a report: slices, data, labels, curves, lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.evaluation.gate import Decision, GateRules
from models.evaluation.slices import slices_of
from models.metrics.comparison import Comparison
from models.metrics.intervals import Interval
from models.metrics.summary import HARD_BELOW
from models.registry.registry import pasted
from reports.page.figures import forest, lines
from reports.rounds.read_evaluation import Evaluated, miou_of, read_history
from reports.rounds.round_record import ControlFacts, DataFacts, LabelFacts, Round, Untaken

CHOICES: Final = (("split", "all"), ("where", None), ("limit", None))
"""The flags of an evaluation that choose samples, and what they are where they are not given."""


def slice_rows(evaluated: Evaluated, *, decision: Decision | None) -> tuple[list[dict[str, Any]], str]:
    """Return the parts of the slices, with both models where there are two, and a note on how to read them."""
    if decision is not None:
        rows = _compared(evaluated, decision=decision)
        rules = decision.rules
        note = f"Parts of fewer than {rules.min_images} images are grey: they do not count for the decision."
        return rows, note
    names = list(evaluated.metrics["slices"])
    miou = miou_of(evaluated.scores)
    rows = [
        {"name": name, "value": value, "images": int(where.sum()), "means": [_mean(miou[where])], "kind": ""}
        for name, parts in slices_of(evaluated.scores, names=names).items()
        if len(parts) > 1
        for value, where in parts.items()
    ]
    least = GateRules().min_images
    shown = [row | {"kind": "few" if row["images"] < least else "", "change": None, "forest": None} for row in rows]
    return shown, f"Parts of fewer than {least} images are grey: they are too few to judge."


def share_rows(evaluated: Evaluated) -> list[dict[str, Any]]:
    """Return the share of hard cases and the mIoU of the worst twentieth, as texts, for each model."""
    tables = [table for table in (evaluated.baseline, evaluated.scores) if table is not None]
    scores = [(miou_of(table), np.array(table["is_finite"].to_pylist(), dtype=np.bool_)) for table in tables]
    hard = [f"{np.mean((miou < HARD_BELOW) | ~finite):.1%}" if miou.size else "–" for miou, finite in scores]
    known = [miou[np.isfinite(miou)] for miou, _ in scores]
    low = [f"{np.percentile(values, 5):.4f}" if values.size else "–" for values in known]
    return [
        {"name": "Hard cases", "meaning": f"share under {HARD_BELOW:g}", "texts": hard},
        {"name": "p5", "meaning": "one image in twenty is lower", "texts": low},
    ]


def data_rows(data: Sequence[DataFacts], *, before: Mapping[str, DataFacts], has_before: bool) -> list[dict[str, Any]]:
    """Return the data sets, each with what changed since the round before; those that are gone come last."""
    rows = []
    for facts in data:
        old = before.get(facts.name)
        is_same = old is not None and old.manifest_sha256 == facts.manifest_sha256
        state = "" if not has_before else "new" if old is None else "unchanged" if is_same else "changed"
        has_other_labels = old is not None and old.label_versions != facts.label_versions
        rows.append(
            {
                "facts": facts,
                "state": state,
                "change": 0 if old is None else facts.samples - old.samples,
                "versions": old.label_versions if old is not None and has_other_labels else None,
                "flagged": _flagged(facts),
            }
        )
    names = {facts.name for facts in data}
    gone = [old for name, old in before.items() if name not in names]
    nothing: dict[str, Any] = {"state": "gone", "versions": None, "flagged": {}}
    return rows + [{"facts": old, "change": -old.samples, **nothing} for old in gone]


def _flagged(facts: DataFacts) -> dict[str, int]:
    """Return how many samples are under licences with restrictions, by the words of the page."""
    found = {"non-commercial": facts.non_commercial, "no derivatives": facts.no_derivatives}
    return {name: number for name, number in found.items() if number}


def label_rows(
    labels: LabelFacts | None, *, decision: Decision | None, control: ControlFacts | None
) -> list[tuple[str, str]]:
    """Return what the labels cost and what they brought: against a control, else together with the training.

    Nothing is stated per mask or per hour: the next ones may bring less, or more.
    """
    if labels is None:
        return []
    told = [("masks corrected", f"{labels.relabeled:,}"), ("confirmed as they were", f"{labels.confirmed:,}")]
    told.append(("sent to annotators next", f"{labels.sent:,}"))
    untaken = labels.untaken
    counts = {"set aside": number_set_aside(untaken), "drafts left out": untaken.drafts, "skipped": untaken.skipped}
    told += [(name, f"{number:,}") for name, number in counts.items() if number]
    if labels.minutes is not None:
        told.append(("annotator minutes", f"{labels.minutes:,.1f}"))
    whole = sum(labels.labelled_by.values())
    shares = {name: number for name, number in labels.labelled_by.items() if number}
    told += [(f"labelled by {name}", f"{number:,} ({number / whole:.1%})") for name, number in shares.items()]
    if labels.judged_by:
        share = "too few to tell" if labels.wrong_share is None else f"about {labels.wrong_share:.1%} of the labels"
        told.append((f"wrong, as {', '.join(labels.judged_by)} judged in mining", share))
    gain = label_gain(labels, decision=decision, control=control)
    return told if gain is None else [*told, gain]


def number_set_aside(untaken: Untaken) -> int:
    """Return how many annotations a pull set aside."""
    return sum(sum(codes.values()) for codes in untaken.set_aside.values())


def set_aside_lines(untaken: Untaken) -> list[str]:
    """Say how many annotations a pull set aside, by code, and where the reasons are: a line for each file."""
    return [
        f"set aside at the pull: {', '.join(f'{code} {number:,}' for code, number in codes.items())}; each with its "
        f"reason: {file}"
        for file, codes in untaken.set_aside.items()
    ]


def label_gain(
    labels: LabelFacts | None, *, decision: Decision | None, control: ControlFacts | None
) -> tuple[str, str] | None:
    """Return a name and the numbers of what new labels brought: against a control, else together with the training.

    None where nothing is new, or nothing was compared.
    """
    if control is not None and control.gain is not None:
        found, name = control.gain, "gain in mIoU of these labels"
    elif decision is not None and labels is not None and (labels.relabeled or labels.confirmed):
        found, name = decision.overall, "gain of labels and training together"
    else:
        return None
    told = change_text(found)
    return None if told is None else (name, f"{told}, not shown" if _holds_0(found) else told)


def change_text(found: Comparison) -> str | None:
    """Return a difference with its interval as text; None where nothing could be compared."""
    if found.difference is None:
        return None
    return f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def _holds_0(found: Comparison) -> bool:
    return found.low is None or found.high is None or found.low <= 0 <= found.high


def label_note(labels: LabelFacts | None, *, control: ControlFacts | None) -> str:
    """Say what the gain of labels stands on; "" where there is none."""
    if control is not None and control.gain is not None:
        is_open = _holds_0(control.gain)
        shown = "The interval contains 0: a gain by these labels is not shown. " if is_open else ""
        return (
            f"{shown}A control was trained like the challenger, with the same start, seed and epochs, on the labels as "
            f"they were in round {control.round}: {control.samples:,} samples an epoch, the challenger "
            f"{control.challenger_samples:,}. The gain is the challenger against the control, image by image, for all "
            "labels of this round together; with other labels, or another seed, it may be larger or smaller."
        )
    if control is not None:
        return f"No training label changed since round {control.round}: a control would be the challenger itself."
    if labels is None or not (labels.relabeled or labels.confirmed):
        return ""
    return (
        "What the labels alone contribute is not known: the challenger also trained longer than the champion. With "
        "`control: true` in the configuration a round trains a control on the labels as they were before."
    )


def curve_figures(run: Path | None) -> list[dict[str, Any]]:
    """Return the curves of a training: losses, and validation mIoU with its spread; none without a history."""
    history = [] if run is None else read_history(run)
    if not history:
        return []
    columns = {
        name: [_number(row.get(name)) for row in history] for name in ("loss", "val_loss", "val_miou", "val_std")
    }
    stages = [row.get("stage") for row in history]
    starts = [i for i in range(1, len(stages)) if stages[i] != stages[i - 1]]
    miou, spread = np.array(columns["val_miou"]), np.array(columns["val_std"])
    band = ((miou - spread).tolist(), np.minimum(1, miou + spread).tolist())
    return [
        {
            "names": ["training", "validation"],
            "label": "Losses over the epochs",
            "figure": lines([columns["loss"], columns["val_loss"]], names=("epoch", "loss"), starts=starts),
        },
        {
            "names": ["validation mIoU, ± std over images"],
            "label": "Validation mIoU over the epochs",
            "figure": lines([columns["val_miou"]], names=("epoch", "mIoU"), bands=[band], starts=starts),
        },
    ]


def lineage_rows(told: Round, *, evaluated: Evaluated | None) -> list[tuple[str, str]]:
    """Return where everything comes from: models and data by their hashes, runs by their ids."""
    models = (("challenger", told.challenger), ("champion after the round", told.champion))
    rows = [(name, text) for name, text in models if text]
    rows += list(told.lineage.items())
    if evaluated is not None:
        metrics = evaluated.metrics
        for role, model in (("model", metrics["model"]), ("baseline", metrics["baseline"])):
            if model is not None:
                rows.append((f"{role} {model['name']}", f"{model['path']}  weights {model['sha256']}"))
        rows += [
            (f"test set {name}", f"{entry['dataset']}  manifest {entry['manifest_sha256']}")
            for name, entry in metrics["sets"].items()
        ]
        rows.append(("evaluation", f"run {metrics.get('run', '')}, curate {metrics.get('tool_version', '')}"))
    return rows


def repeat_command(evaluated: Evaluated) -> str:
    """Return the command that makes the evaluation again."""
    metrics = evaluated.metrics
    words = ["curate", "evaluate", "--model", metrics["model"]["path"]]
    if metrics["baseline"] is not None:
        words += ["--baseline", metrics["baseline"]["path"]]
    words += ["--data", *(entry["dataset"] for entry in metrics["sets"].values())]
    choice = metrics.get("choice", {})
    for name, usual in CHOICES:
        if choice.get(name, usual) != usual:
            words += [f"--{name}", *(choice[name].split(", ") if name == "split" else [str(choice[name])])]
    if metrics.get("precision", "fp32") != "fp32":
        words += ["--precision", metrics["precision"]]
    words += ["--with-flips"] if metrics.get("with_flips") else []
    words += ["--seed", str(metrics["seed"])] if metrics.get("seed") else []
    return pasted(list(map(str, [*words, "--out", evaluated.folder])))


def _compared(evaluated: Evaluated, *, decision: Decision) -> list[dict[str, Any]]:
    found = [one for one in decision.slices if one.comparison.difference is not None]
    ends = [abs(end or 0.0) for one in found for end in (one.comparison.low, one.comparison.high)]
    reach = max(ends, default=0.0)
    parts = {} if evaluated.baseline is None else _means(evaluated)
    rows = []
    for one in found:
        change = Interval(
            value=one.comparison.difference or 0.0, low=one.comparison.low or 0.0, high=one.comparison.high or 0.0
        )
        rows.append(
            {
                "name": one.name,
                "value": one.value,
                "images": one.comparison.images,
                "means": parts.get((one.name, one.value), [None, None]),
                "change": change,
                "forest": forest(change.low, value=change.value, high=change.high, reach=reach),
                "kind": "loses" if one.loses else "" if one.counts else "few",
            }
        )
    return rows


def _means(evaluated: Evaluated) -> dict[tuple[str, str], list[float | None]]:
    """Return the mean mIoU of both models in each part; a prediction that is not finite counts as 0, as for the
    gate.
    """
    assert evaluated.baseline is not None
    scores = []
    for table in (evaluated.baseline, evaluated.scores):
        finite = np.array(table["is_finite"].to_pylist(), dtype=np.bool_)
        scores.append(np.where(finite, miou_of(table), 0.0))
    names = list(evaluated.metrics["slices"])
    sets = np.array(evaluated.scores["dataset"].to_pylist(), dtype=object)
    found: dict[str, Any] = {name: dict(one) for name, one in slices_of(evaluated.scores, names=names).items()}
    found["data set"] = {name: sets == name for name in set(sets.tolist())}
    return {
        (name, value): [_mean(one[where]) for one in scores]
        for name, parts in found.items()
        for value, where in parts.items()
    }


def _mean(values: Any) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _number(text: str | None) -> float:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return float("nan")
