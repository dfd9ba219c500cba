"""Charts as numbers: where the lines and bars of a small SVG lie. The templates draw them, with the page's own colours.

Nothing here is text that came with data, and no chart needs a script or a style of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.metrics.comparison import Comparison

WIDTH: Final = 640
HEIGHT: Final = 240
LEFT: Final = 46
RIGHT: Final = 10
TOP: Final = 22
BOTTOM: Final = 40
BINS: Final = 20
TICKS: Final = 5
FOREST_WIDTH: Final = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis, at `at` pixels, and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar of a series by its number, in pixels, and what it says."""

    series: int
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a series: `points` as SVG takes them, and `band`, the path of an area around it, which may be empty."""

    series: int
    points: str
    band: str = ""
    dots: tuple[tuple[float, float, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Axes, and what lies between them; `marks` are upright dashed lines."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str
    y_label: str
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    marks: tuple[float, ...] = ()
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """An interval on a line, in pixels: from `low` to `high` with a point at `value`, and where zero lies."""

    low: float
    value: float
    high: float
    zero: float
    kind: str
    width: int = FOREST_WIDTH


def histogram(series: Sequence[NDArray[np.float64]], *, mark: float) -> Chart:
    """Return how many images have which mIoU, (images,) in 0..1 for each of up to two models, as bars side by side.

    NaN is left out.

    >>> chart = histogram([np.array([0.0, 0.04, 1.0])], mark=0.8)
    >>> [bar.title for bar in chart.bars]
    ['0.00 to 0.05: 2 images', '0.95 to 1.00: 1 images']
    """
    counts = [np.histogram(values[np.isfinite(values)], bins=BINS, range=(0, 1))[0].tolist() for values in series]
    ticks = _ticks(0, max((max(one) for one in counts), default=1) or 1)
    top = float(ticks[-1])
    step = (WIDTH - LEFT - RIGHT) / BINS
    inner = (step - 3) / max(1, len(series))
    bars = tuple(
        Bar(
            series=number,
            x=round(LEFT + index * step + 1.5 + number * inner, 2),
            y=_y(count, low=0, high=top),
            width=round(inner, 2),
            height=round(HEIGHT - BOTTOM - _y(count, low=0, high=top), 2),
            title=f"{index / BINS:.2f} to {(index + 1) / BINS:.2f}: {count} images",
        )
        for number, one in enumerate(counts)
        for index, count in enumerate(one)
        if count
    )
    return Chart(
        x_ticks=tuple(
            Tick(at=_x(value, low=0, high=1), text=f"{value:.1f}") for value in np.linspace(0, 1, 6).tolist()
        ),
        y_ticks=_y_ticks(ticks),
        x_label="mIoU of an image",
        y_label="images",
        bars=bars,
        marks=(_x(mark, low=0, high=1),),
    )


def lines(
    series: Sequence[Sequence[float]],
    *,
    names: tuple[str, str],
    bands: Sequence[tuple[Sequence[float], Sequence[float]] | None] = (),
    starts: Sequence[int] = (),
    texts: Sequence[str] = (),
) -> Chart:
    """Return lines over 1, 2, ..., each with the area of its band; `starts` are places where something new begins.

    `names` are those of the axes; with `texts`, one for each place, the points are drawn and say these.
    """
    limits = [value for one in (*series, *(part for band in bands if band for part in band)) for value in one]
    finite = [value for value in limits if math.isfinite(value)]
    ticks = _ticks(min(finite, default=0.0), max(finite, default=1.0))
    low, high = ticks[0], ticks[-1]
    most = max(1, *(len(one) for one in series))
    places = [_x(number, low=1, high=max(2, most)) for number in range(1, most + 1)]

    def drawn(number: int, values: Sequence[float]) -> Line:
        known = [
            (x, _y(value, low=low, high=high), i) for i, (x, value) in enumerate(zip(places, values)) if _ok(value)
        ]
        band = bands[number] if number < len(bands) else None
        return Line(
            series=number,
            points=" ".join(f"{x},{y}" for x, y, _ in known),
            band="" if band is None else _band(places, band=band, low=low, high=high),
            dots=tuple((x, y, texts[i]) for x, y, i in known) if texts else (),
        )

    numbers = sorted({1, most, *(round(1 + (most - 1) * part / 4) for part in range(1, 4))})
    return Chart(
        x_ticks=tuple(Tick(at=places[number - 1], text=str(number)) for number in numbers),
        y_ticks=_y_ticks(ticks),
        x_label=names[0],
        y_label=names[1],
        lines=tuple(drawn(number, values) for number, values in enumerate(series)),
        marks=tuple(places[start] for start in starts if 0 < start < len(places)),
    )


def forest(low: float, *, value: float, high: float, reach: float) -> Forest:
    """Return an interval on a scale from -`reach` to `reach`; what lies beyond is drawn to the end.

    >>> found = forest(-0.1, value=0.0, high=0.1, reach=0.2)
    >>> found.low, found.value, found.high, found.kind
    (45.0, 90.0, 135.0, 'open')
    """

    def place(number: float) -> float:
        share = min(1.0, max(0.0, (number + reach) / (2 * reach))) if reach else 0.5
        return round(share * FOREST_WIDTH, 2)

    kind = "open" if low <= 0 <= high else "better" if low > 0 else "worse"
    return Forest(low=place(low), value=place(value), high=place(high), zero=place(0.0), kind=kind)


def forests(intervals: Sequence[Comparison | None]) -> list[Forest | None]:
    """Return each interval on a scale that holds them all, None where there is none."""
    reach = max((max(abs(one.low or 0), abs(one.high or 0)) for one in intervals if one is not None), default=0.0)
    return [
        None
        if one is None or one.difference is None
        else forest(one.low or 0.0, value=one.difference, high=one.high or 0.0, reach=reach)
        for one in intervals
    ]


def _band(places: Sequence[float], *, band: tuple[Sequence[float], Sequence[float]], low: float, high: float) -> str:
    pairs = [
        (x, _y(lower, low=low, high=high), _y(upper, low=low, high=high))
        for x, lower, upper in zip(places, band[0], band[1])
        if _ok(lower) and _ok(upper)
    ]
    if not pairs:
        return ""
    there = [f"{x} {upper}" for x, _, upper in pairs]
    back = [f"{x} {lower}" for x, lower, _ in reversed(pairs)]
    return f"M{'L'.join([*there, *back])}Z"


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers, evenly apart, of which the first is at most `low` and the last at least `high`.

    >>> _ticks(0, 7)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / TICKS
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _y_ticks(values: Sequence[float]) -> tuple[Tick, ...]:
    return tuple(Tick(at=_y(value, low=values[0], high=values[-1]), text=f"{value:.4g}") for value in values)


def _x(value: float, *, low: float, high: float) -> float:
    return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 2)


def _y(value: float, *, low: float, high: float) -> float:
    return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 2)


def _ok(value: float) -> bool:
    return math.isfinite(value)
