"""An evaluation as a small table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

WORST_SLICES: Final = 5
LEAST_IMAGES: Final = 5
"""A slice of fewer images says nothing about a model."""
COLUMNS: Final = ("data set", "images", "mIoU", "std", "p5", "under 0.8", "boundary", "holes", "data set mIoU")


def evaluation_lines(metrics: Mapping[str, Any], *, out: str) -> list[str]:
    """Return `metrics.json` as lines: each set, all together, the slices below the mean, and the comparison."""
    model, sets = metrics["model"]["name"], metrics["sets"]
    lines = [f"{out}: {model} on {metrics['all']['summary']['images']} images ({metrics['precision']})"]
    rows = [(name, entry["summary"]) for name, entry in sets.items()]
    rows += [("all", metrics["all"]["summary"])] if len(sets) > 1 else []
    lines += _table([_set_cells(name, summary=summary) for name, summary in rows])
    for name, summary in rows:
        lines += _remarks(name, summary=summary)
    lines += _worst_slices(metrics["all"])
    for name, comparison in _comparisons(metrics):
        lines.append(_compared(comparison, name=name, baseline=metrics["baseline"]["name"]))
    return lines


def _set_cells(name: str, *, summary: Mapping[str, Any]) -> list[str]:
    under = summary["share_under"]
    return [
        name,
        str(summary["images"]),
        _number(summary["miou_image"]),
        _number(summary["std"]),
        _number(summary["p5"]),
        "-" if under is None else f"{under:.1%}",
        _number(summary["boundary_iou"]),
        _number(summary["hole_recall"]),
        _number(summary["miou_dataset"]),
    ]


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    return [
        "  " + "  ".join([cells[0].ljust(widths[0]), *(map(str.rjust, cells[1:], widths[1:]))])
        for cells in [list(COLUMNS), *rows]
    ]


def _remarks(name: str, *, summary: Mapping[str, Any]) -> Iterator[str]:
    if summary["not_finite"]:
        yield f"  {name}: {summary['not_finite']} predictions are not finite; they count as under 0.8, not in the means"
    if summary["without_person"]:
        share = summary["false_foreground"]
        told = "no finite prediction" if share is None else f"{share:.2%} of the frame taken for person on average"
        yield f"  {name}: {summary['without_person']} images show nobody: {told}"
    for part in ("matting", "edge", "trimap"):
        if summary.get(part):
            yield f"  {name}: " + ", ".join(f"{key} {value:.4g}" for key, value in summary[part].items())


def _worst_slices(entry: Mapping[str, Any]) -> list[str]:
    parts = [
        (part["miou_image"], f"{name} = {value}", part)
        for name, values in entry["slices"].items()
        if len(values) > 1
        for value, part in values.items()
        if part["miou_image"] is not None and part["images"] >= LEAST_IMAGES
        if part["miou_image"] < entry["summary"]["miou_image"]
    ]
    if not parts:
        return []
    worst = sorted(parts, key=lambda part: part[0])[:WORST_SLICES]
    width = max(len(name) for _, name, _ in worst)
    shown = [f"    {name:<{width}}  {miou:.4f}  {part['images']:>6} images" for miou, name, part in worst]
    return ["  worst slices", *shown]


def _comparisons(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, entry in metrics["sets"].items():
        if "comparison" in entry:
            yield name, entry["comparison"]["overall"]
    if len(metrics["sets"]) > 1 and "comparison" in metrics["all"]:
        yield "all", metrics["all"]["comparison"]["overall"]


def _compared(found: Mapping[str, Any], *, name: str, baseline: str) -> str:
    if found["difference"] is None:
        return f"  {name}: no image was scored by both this model and {baseline}"
    is_open = found["low"] <= 0 <= found["high"]
    verdict = "could be chance" if is_open else "better" if found["difference"] > 0 else "worse"
    return (
        f"  {name}: {found['difference']:+.4f} mIoU against {baseline} (95 %: {found['low']:+.4f} .. "
        f"{found['high']:+.4f}, {verdict}); better on {found['better']:.0%}, worse on {found['worse']:.0%} "
        f"of {found['images']} images"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
