"""Models as points: what each is worth over how long it takes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from models.benchmark.measure import Measured

MARKERS: Final = {"torch": "o", "onnxruntime": "s", "openvino": "^", "ncnn": "D"}


def scatter(rows: Sequence[Measured]) -> bytes:
    """Return mIoU over the median time of an image as SVG, a colour for each model and a mark for each runtime.

    Time is on a logarithmic axis; rows without mIoU are left out.
    """
    import matplotlib
    import matplotlib.ticker
    from matplotlib.figure import Figure

    shown = [(row, row.miou) for row in rows if row.miou is not None]
    names = list(dict.fromkeys(row.model for row, _ in shown))
    with matplotlib.rc_context({"svg.hashsalt": "curate", "font.size": 9}):
        figure = Figure(figsize=(8, 4.2), layout="constrained")
        axes = figure.subplots()
        shades = matplotlib.colormaps["tab10" if len(names) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
        colours = {name: shades[number % len(shades)] for number, name in enumerate(names)}
        for row, miou in shown:
            axes.scatter(
                row.median_ms, miou, color=colours[row.model], marker=MARKERS.get(row.runtime, "x"), s=44, zorder=3
            )
        for name in names:
            axes.scatter([], [], color=colours[name], marker="o", label=name)
        for runtime in dict.fromkeys(row.runtime for row, _ in shown):
            axes.scatter([], [], color="0.4", marker=MARKERS.get(runtime, "x"), label=runtime)
        axes.set_xscale("log")
        axes.set(xlabel=f"milliseconds for an image (median, {_threads(rows)})", ylabel="mIoU, mean over images")
        axes.grid(color="0.9", which="both", linewidth=0.6)
        axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(matplotlib.ticker.LogLocator(subs=(2, 5)))
        axes.xaxis.set_minor_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.tick_params(axis="x", which="minor", labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right upper", frameon=False)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def _threads(rows: Sequence[Measured]) -> str:
    number = rows[0].threads if rows else 1
    return f"{number} thread{'s' if number > 1 else ''}"
