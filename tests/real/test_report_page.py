"""The report and the index in a real browser: nothing that came with data runs, nothing is fetched, and it prints."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.building.workers import RunnerOptions
from models.evaluation.gate import GateRules, decide
from models.metrics.intervals import Interval
from reports.page.pdf import write_pdf
from reports.rounds.index_page import write_index
from reports.rounds.read_evaluation import read_evaluated
from reports.rounds.report_page import RunReport, write_run_report
from reports.rounds.round_record import CostFacts, LabelFacts, Round, data_facts, write_round
from tests.real.printed_pages import Mark, printed_pages
from tests.reports.evaluated_data import draw_evaluation

CHROMIUM = shutil.which("chromium")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'><svg onload=alert(3)>",
    "</title><script>alert(4)</script>",
    "</style><script>alert(5)</script>",
    "</svg><script>alert(6)</script>",
    "<!--<script>alert(7)</script>-->",
    "javascript:alert(8)",
    "data:text/html,<script>alert(9)</script>",
    "<iframe src='javascript:alert(10)'></iframe>",
    "<img src=https://example.invalid/x.png>",
    "<link rel=stylesheet href=//example.invalid/x.css>",
    "<style>@import 'https://example.invalid/y.css'</style>",
    "<meta http-equiv=refresh content='0;url=https://example.invalid/'>",
    "<base href=https://example.invalid/>",
    "<form action=https://example.invalid/><button autofocus onfocus=alert(11)>",
    "<details open ontoggle=alert(12)>",
    "{{ ''.__class__ }}{% for x in 1 %}",
    "]]><body onload=alert(13)>",
    "\u2028alert(14)\u2029",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


def looked_at(browser: Any, *, file: Path) -> tuple[Any, list[str]]:
    """Open a file, and give the page and whatever it did that it should not."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    seen: list[str] = []

    def dismiss(dialog: Any) -> None:
        seen.append(f"dialog {dialog.message}")
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else seen.append(request.url))
    page.on("console", lambda message: seen.append(f"console {message.text}"))
    page.on("pageerror", lambda error: seen.append(f"error {error}"))
    page.goto(file.as_uri())
    return page, seen


LABELS_OF_CHARTS = """charts => charts.flatMap(chart => {
  const around = chart.getBoundingClientRect();
  const labels = [...chart.querySelectorAll('text')].map(label => label.getBoundingClientRect());
  const ink = box => [box.top + 0.2 * box.height, box.bottom - 0.2 * box.height];
  const clash = (one, other) => one.left < other.right && other.left < one.right
    && ink(one)[0] < ink(other)[1] && ink(other)[0] < ink(one)[1];
  return labels.flatMap((one, number) => [
    ...(one.height < 9 ? ['small'] : []),
    ...(one.left < around.left || one.right > around.right || one.bottom > around.bottom ? ['outside'] : []),
    ...(labels.slice(number + 1).some(other => clash(one, other)) ? ['on another'] : []),
  ]);
})"""


def hostile_round(folder: Path, *, text: str) -> Round:
    """Write a round with a payload in every text that a page shows."""
    ids = [f"{re.sub('[/' + chr(92) * 2 + ']', '|', text)} {number}" for number in range(4)]  # an id is a file name
    draw_evaluation(folder / "evaluation", before=[0.5] * 4, after=[0.6, 0.4, None, 0.7], ids=ids, text=text)
    evaluated = read_evaluated(folder / "evaluation")
    assert evaluated.baseline is not None
    facts = data_facts(folder / "evaluation-data")
    told = Round(
        name=text,
        command=text,
        started=text,
        evaluation="evaluation",
        decision=decide(evaluated.baseline, challenger=evaluated.scores, rules=GateRules(min_images=2)),
        miou=Interval(value=0.5, low=0.4, high=0.6),
        champion=text,
        challenger=text,
        test_sets={text: text},
        data=[facts, type(facts)(**{name: getattr(facts, name) for name in facts.__struct_fields__} | {"name": text})],
        before=[facts],
        labels=LabelFacts(relabeled=1, minutes=1.0),
        costs=[CostFacts(name=text, file_bytes=1, input_size=(1, 1), machine=text)],
        lineage={text: text},
        problems=[text],
    )
    write_round(folder, told=told)
    write_run_report(
        RunReport(record=told, evaluated=evaluated), out=folder / "report.html", runner=RunnerOptions(workers=0)
    )
    return told


def test_nothing_that_came_with_the_data_runs_or_is_fetched(browser: Any, tmp_path: Path) -> None:
    found = []
    for number, text in enumerate(PAYLOADS):
        hostile_round(tmp_path / str(number), text=text)
        page, seen = looked_at(browser, file=tmp_path / str(number) / "report.html")
        found += seen
        assert page.locator("h1").inner_text().strip() == text.strip().replace("\u2028", "\n").replace("\u2029", "\n")
        assert page.locator("script, iframe, form, base, a").count() == 0
        page.context.close()
    write_index(tmp_path, out=tmp_path / "index.html")
    page, seen = looked_at(browser, file=tmp_path / "index.html")
    assert found + seen == []
    assert page.locator("a").count() == len(PAYLOADS)
    assert page.locator("script, iframe, form, base").count() == 0
    page.locator("a").first.click()
    assert page.locator(".decision").count() == 1
    assert seen == []


def test_it_follows_the_scheme_of_the_reader_and_prints_on_white(browser: Any, tmp_path: Path) -> None:
    hostile_round(tmp_path / "1", text="a round")
    page, seen = looked_at(browser, file=tmp_path / "1" / "report.html")
    papers = []
    for scheme, media in (("light", "screen"), ("dark", "screen"), ("dark", "print")):
        page.emulate_media(color_scheme=scheme, media=media)
        papers.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert papers == ["rgb(244, 244, 241)", "rgb(20, 21, 23)", "rgb(255, 255, 255)"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert seen == []


def test_every_picture_is_seen_and_no_style_was_refused(browser: Any, tmp_path: Path) -> None:
    hostile_round(tmp_path / "1", text="a round")
    page, seen = looked_at(browser, file=tmp_path / "1" / "report.html")
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert widths
    assert min(widths) > 0
    assert page.evaluate(
        "[...document.querySelectorAll('svg.chart')].every(one => one.getBoundingClientRect().width > 100)"
    )
    assert seen == []


def test_it_is_printed_as_pdf(tmp_path: Path) -> None:
    hostile_round(tmp_path / "1", text="a round")
    write_pdf(tmp_path / "1" / "report.html", out=tmp_path / "report.pdf")
    data = (tmp_path / "report.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")


def ends_badly(pages: list[list[Mark]]) -> list[str]:
    """Return what is wrong with the ends of pages: under a heading, or the head of a table, nothing; much white."""
    found = []
    for number, marks in enumerate(pages, start=1):
        heads = [mark.height for mark in marks if mark.is_heading or "TH" in mark.tags]
        rest = [mark.height for mark in marks if not mark.is_heading and "TH" not in mark.tags]
        if min(heads, default=1.0) <= min(rest, default=1.0):
            found.append(f"page {number} ends with a heading")
        if number < len(pages) and min(heads + rest, default=1.0) > 0.45:
            found.append(f"page {number} of {len(pages)} is half empty")
    return found


def printed_everywhere(browser: Any, *, file: Path, style: str = "html { }") -> Iterator[str]:
    """Yield what is wrong with a page that is printed with all of it farther and farther down."""
    page = browser.new_page()
    page.goto(file.as_uri())
    page.evaluate("text => document.styleSheets[0].insertRule(text, document.styleSheets[0].cssRules.length)", style)
    for shift_px in range(0, 700, 100):
        page.evaluate("shift => { document.querySelector('.top').style.paddingTop = `${shift}px` }", shift_px)
        pages = printed_pages(page.pdf(prefer_css_page_size=True, tagged=True))
        assert sum(mark.is_heading for marks in pages for mark in marks) > 3
        yield from ends_badly(pages)
    page.close()


def test_no_printed_page_ends_with_a_heading_or_is_half_empty(browser: Any, tmp_path: Path) -> None:
    """So it is with what the product prints, and with its parts in other places; without our rules there are such."""
    hostile_round(tmp_path / "1", text="a round")
    write_pdf(tmp_path / "1" / "report.html", out=tmp_path / "report.pdf")
    printed = printed_pages((tmp_path / "report.pdf").read_bytes())
    assert len(printed) > 1 and ends_badly(printed) == []
    files = [tmp_path / "1" / "report.html", *looked_at_rounds(tmp_path / "of one model")]
    for file in files[:2]:
        assert list(printed_everywhere(browser, file=file)) == [], file
    careless = "@media print { * { break-after: auto !important; break-before: auto !important } }"
    assert next(printed_everywhere(browser, file=files[0], style=careless))


def looked_at_rounds(folder: Path) -> tuple[Path, Path]:
    """Write a round of one model with a training, under long names, and the page over the rounds; give both pages."""
    names = ["new model of many words"] * 12
    draw_evaluation(folder / "1" / "evaluation", before=None, after=[0.5, 0.6] * 6, text=names[0])
    history = [f"main,{epoch},{1 / epoch},{2 / epoch},0.5,0.1" for epoch in range(1, 9)]
    (folder / "1" / "run").mkdir()
    (folder / "1" / "run" / "history.csv").write_text(
        "\n".join(["stage,epoch,loss,val_loss,val_miou,val_std", *history])
    )
    told = Round(name="Round 1", command="c", started="2026-11-28T03:00:00+00:00", problems=["not enough room " * 12])
    write_round(folder / "1", told=told)
    report = RunReport(
        record=told, evaluated=read_evaluated(folder / "1" / "evaluation"), training=folder / "1" / "run"
    )
    write_run_report(report, out=folder / "1" / "report.html", runner=RunnerOptions(workers=0))
    write_index(folder, out=folder / "index.html")
    return folder / "1" / "report.html", folder / "index.html"


WORDS_AND_LINES = """cells => cells.map(cell => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  const tops = new Set([...range.getClientRects()].map(box => Math.round(box.top / 8)));
  return [cell.textContent.trim().split(/[\\s-]+/).length, tops.size];
})"""


def test_words_in_tables_do_not_break_letter_by_letter_on_a_telephone(browser: Any, tmp_path: Path) -> None:
    for file, cells in zip(looked_at_rounds(tmp_path), ("td:first-child", "td"), strict=True):
        page, seen = looked_at(browser, file=file)
        page.set_viewport_size({"width": 390, "height": 800})
        found = page.locator(f"tbody {cells}:not(:has(code))").evaluate_all(WORDS_AND_LINES)
        assert found and all(lines <= words for words, lines in found), (file.name, found)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen == []


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_what_stands_at_a_chart_can_be_read_on_any_screen(browser: Any, tmp_path: Path, width: int) -> None:
    page, seen = looked_at(browser, file=looked_at_rounds(tmp_path)[0])
    page.set_viewport_size({"width": width, "height": 800})
    charts = page.locator("svg.chart")
    assert charts.count() > 1
    assert charts.evaluate_all(LABELS_OF_CHARTS) == [] and seen == []


def test_curves_differ_in_colour_and_swatches_stay_beside_their_names(browser: Any, tmp_path: Path) -> None:
    """Of one model alone, too, in light, in dark and on paper; a swatch has the colour of its curve."""
    page, seen = looked_at(browser, file=looked_at_rounds(tmp_path)[0])
    colour = "(one, name) => getComputedStyle(one)[name]"
    for width, scheme, media in ((1280, "light", "screen"), (390, "dark", "screen"), (700, "dark", "print")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme, media=media)
        charts = page.locator(".charts > div").first
        curves = [charts.locator(".line").nth(number).evaluate(colour, "stroke") for number in (0, 1)]
        keys = [charts.locator(".key").nth(number).evaluate(colour, "backgroundColor") for number in (0, 1)]
        assert curves == keys and len(set(curves)) == 2
        for one in page.locator(".keyed").all():
            swatch, whole = one.locator(".key").bounding_box(), one.bounding_box()
            assert whole["height"] < 30 and swatch["width"] >= 10
        assert set(
            page.locator(".key").evaluate_all("all => all.map(one => getComputedStyle(one).printColorAdjust)")
        ) == {"exact"}
    for parts in ("h2", ".legend", "thead"):
        breaks = page.locator(parts).evaluate_all("all => all.map(one => getComputedStyle(one).breakAfter)")
        assert set(breaks) == {"avoid"}, "on paper, what stands under it follows"
    assert seen == []
