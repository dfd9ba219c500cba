from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest

from curation.building.workers import RunnerOptions
from curation.errors import InputRefused
from models.evaluation.gate import GateRules, decide
from models.metrics.comparison import Comparison
from models.metrics.intervals import Interval
from pipelines.evaluation.report import read_report
from reports.rounds.index_page import write_index
from reports.rounds.pictures import cases_of
from reports.rounds.read_evaluation import read_evaluated
from reports.rounds.report_page import RunReport, write_run_report
from reports.rounds.round_record import ControlFacts, CostFacts, LabelFacts, Round, data_facts, read_round, write_round
from reports.rounds.tables import data_rows, label_rows, repeat_command
from tests.reports.evaluated_data import draw_evaluation

NOW = RunnerOptions(workers=0)
OLD = [0.5, 0.6, 0.7, 0.8, 0.5, 0.6, 0.7, 0.8, 0.5, 0.6, 0.7, 0.8]
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "javascript:alert(1)",
    "\x1b[31m",
]


def page_of(report: RunReport, *, out: Path) -> str:
    write_run_report(report, out=out, runner=NOW)
    return out.read_text()


def text_of(page: str) -> str:
    body = re.sub(r"<style>.*?</style>|base64,[^\"]*", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def test_the_decision_comes_first_and_says_by_how_much(tmp_path: Path) -> None:
    folder = draw_evaluation(tmp_path / "e", before=OLD, after=[value + 0.1 for value in OLD])
    text = text_of(page_of(read_report(folder), out=tmp_path / "r.html"))
    assert text.index("Would be promoted") < text.index("Scores")
    assert "The challenger is better: +0.1000 mIoU on 12 images (95% interval +0.1000 to +0.1000)" in text
    assert "0.6500" in text  # the mean of OLD
    assert "0.7500" in text
    worse = draw_evaluation(tmp_path / "w", before=OLD, after=[value - 0.1 for value in OLD])
    text = text_of(page_of(read_report(worse), out=tmp_path / "w.html"))
    assert "Would not be promoted" in text
    assert "Largest losses 12" in text
    assert "Best gains" not in text


def test_an_evaluation_of_one_model_has_no_change(tmp_path: Path) -> None:
    folder = draw_evaluation(tmp_path / "e", before=None, after=OLD)
    text = text_of(page_of(read_report(folder), out=tmp_path / "r.html"))
    assert "mIoU 0.6500 on 12 images" in text
    assert "There is no other model to compare with" in text
    assert " change " not in text


def test_the_decision_and_the_table_tell_the_same_interval(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder = draw_evaluation(tmp_path / "e", before=OLD, after=(np.array(OLD) + rng.normal(0, 0.1, 12)).tolist())
    text = text_of(page_of(read_report(folder), out=tmp_path / "r.html"))
    (told,) = re.findall(r"95% interval ([+-]\d\.\d+ to [+-]\d\.\d+)", text)
    assert text.count(told) == 2


def test_gains_and_losses_are_those_of_the_scores_the_largest_first(tmp_path: Path) -> None:
    folder = draw_evaluation(tmp_path / "e", before=[0.5, 0.5, 0.5, 0.5], after=[0.9, 0.1, 0.4, None])
    cases = cases_of(read_evaluated(folder), number=5, runner=NOW, work=tmp_path)
    assert [one.id for one in cases.gains] == ["s00"]
    assert [(one.id, one.change) for one in cases.losses] == [
        ("s03", -0.5),
        ("s01", pytest.approx(-0.4)),
        ("s02", pytest.approx(-0.1)),
    ]
    assert [one.id for one in cases.worst] == ["s03", "s01", "s02", "s00"]
    assert [view.miou for view in cases.losses[0].views] == [0.5, None]
    assert all(one.image and not one.problem for one in cases.worst)


def test_the_images_that_the_gate_names_come_first(tmp_path: Path) -> None:
    folder = draw_evaluation(tmp_path / "e", before=[0.5, 0.5, 0.5], after=[0.1, 0.4, 0.9])
    cases = cases_of(read_evaluated(folder), number=1, first=[("d", "s01")], runner=NOW, work=tmp_path)
    assert [one.id for one in cases.losses] == ["s01"]


def test_a_picture_that_cannot_be_drawn_says_why(tmp_path: Path) -> None:
    folder = draw_evaluation(tmp_path / "e", before=None, after=[0.5, 0.6])
    (folder / "predictions" / "s00.png").write_bytes(b"broken")
    (tmp_path / "e-data" / "images" / "f1.png").unlink()
    cases = cases_of(read_evaluated(folder), number=5, runner=NOW, work=tmp_path)
    assert [one.problem.split(":")[0] for one in cases.worst] == ["NOT_IMAGE", "MISSING_FILE"]


def test_a_data_set_that_changed_or_is_gone_is_not_drawn(tmp_path: Path) -> None:
    folder = draw_evaluation(tmp_path / "e", before=None, after=[0.5, 0.6])
    (tmp_path / "e-data").rename(tmp_path / "elsewhere")
    report = read_report(folder)
    assert report.evaluated is not None
    assert report.evaluated.datasets == {"d": None}
    assert "the data set is missing" in text_of(page_of(report, out=tmp_path / "r.html"))


def test_the_page_asks_nothing_of_the_network_and_runs_nothing(tmp_path: Path) -> None:
    folder = draw_evaluation(tmp_path / "e", before=OLD, after=OLD[::-1])
    page = page_of(read_report(folder), out=tmp_path / "r.html")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script|<link|<iframe|\son\w+=|\sstyle=|(?:src|href)=\"(?!data:image/webp;base64,)", page) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(tmp_path: Path, text: str) -> None:
    ids = [f"{text.replace('/', '|')} {number}" for number in range(4)]  # an id is a file name
    folder = draw_evaluation(tmp_path / "e", before=[0.5] * 4, after=[0.6, 0.4, None, 0.7], ids=ids, text=text)
    told = Round(name=text, command=text, started=text, problems=[text], evaluation=".", lineage={text: text})
    report = RunReport(record=told, evaluated=read_evaluated(folder))
    page = page_of(report, out=tmp_path / "r.html")
    assert re.findall(r"<script|<img src=x|\sonerror=(?!alert)|href=", re.sub(r"&\w+;|&#\d+;", "&", page)) == []
    assert "49" not in re.findall(r"<title>(.*?)</title>", page, flags=re.DOTALL)[0]


def test_a_foreign_file_is_not_written_over(tmp_path: Path) -> None:
    folder = draw_evaluation(tmp_path / "e", before=None, after=[0.5])
    (tmp_path / "mine.html").write_text("mine")
    for out, said in ((tmp_path / "mine.html", "not a report"), (tmp_path / "none" / "r.html", "no such folder")):
        with pytest.raises(InputRefused, match=said):
            page_of(read_report(folder), out=out)
    assert (tmp_path / "mine.html").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model": 1}', "\x00"])
def test_metrics_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(InputRefused, match=r"damaged|not the metrics"):
        read_evaluated(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no report can be made of this"):
        read_report(tmp_path)


def test_the_command_to_repeat_names_all_that_decides(tmp_path: Path) -> None:
    folder = draw_evaluation(tmp_path / "a b", before=OLD, after=OLD, text="m")
    assert repeat_command(read_evaluated(folder)) == (
        f"curate evaluate --model m --baseline m --data '{tmp_path}/a b-data' --split test --seed 3 --out '{folder}'"
    )


def whole_round(folder: Path, *, lift: float) -> Round:
    draw_evaluation(folder / "evaluation", before=OLD, after=[value + lift for value in OLD])
    evaluated = read_evaluated(folder / "evaluation")
    assert evaluated.baseline is not None
    facts = data_facts(folder / "evaluation-data")
    told = Round(
        name=folder.name,
        number=int(folder.name),
        command="curate retrain --config loop.yaml",
        evaluation="evaluation",
        decision=decide(evaluated.baseline, challenger=evaluated.scores, rules=GateRules()),
        miou=Interval(value=0.65 + max(0, lift), low=0.6, high=0.9),
        test_sets={"d": "1" * 64},
        data=[facts],
        labels=LabelFacts(relabeled=50, minutes=100.0, sent=20),
        costs=[CostFacts(name="net", file_bytes=1000, input_size=(8, 8), parameters=7)],
    )
    write_round(folder, told=told)
    return told


def test_a_round_is_read_back_and_reported(tmp_path: Path) -> None:
    told = whole_round(tmp_path / "1", lift=0.1)
    assert read_round(tmp_path / "1") == told
    text = text_of(page_of(read_report(tmp_path / "1"), out=tmp_path / "r.html"))
    assert "Promoted The challenger is better" in text
    assert "gain of labels and training together +0.1000 (+0.1000 to +0.1000)" in text
    assert "What the labels alone contribute is not known" in text
    assert "curate retrain --config loop.yaml" in text


def test_a_round_that_failed_has_a_report_that_says_why(tmp_path: Path) -> None:
    write_round(tmp_path, told=Round(name="round 3", command="curate retrain", problems=["the disk is full"]))
    text = text_of(page_of(read_report(tmp_path), out=tmp_path / "r.html"))
    assert "No model was measured" in text
    assert "the disk is full" in text


def test_a_round_of_an_earlier_version_says_of_no_annotation_that_it_was_set_aside(tmp_path: Path) -> None:
    labels = {"relabeled": 1, "confirmed": 6, "minutes": 0.3, "sent": 10}
    (tmp_path / "round.json").write_text(json.dumps({"name": "round 2", "command": "c", "labels": labels}))
    told = read_round(tmp_path)
    assert told.labels == LabelFacts(relabeled=1, confirmed=6, minutes=0.3, sent=10)
    assert "set aside" not in text_of(page_of(read_report(tmp_path), out=tmp_path / "r.html"))


def test_a_damaged_round_is_refused(tmp_path: Path) -> None:
    (tmp_path / "round.json").write_text("{")
    with pytest.raises(InputRefused, match="damaged"):
        read_report(tmp_path)


def compared(change: float, *, spread: float) -> Comparison:
    numbers = {"difference": change, "low": change - spread, "high": change + spread}
    return Comparison(images=12, left_out=0, better=0.5, worse=0.5, equal=0.0, **numbers)


@pytest.mark.parametrize(
    ("spread", "said", "end"), [(0.01, "A control was trained", " A"), (0.05, "The interval contains 0", ", not shown")]
)
def test_the_gain_of_labels_is_that_against_the_control(tmp_path: Path, spread: float, said: str, end: str) -> None:
    """The challenger gains 0.1 on the champion; of that the labels bring 0.024, and nothing is told per mask."""
    labels = LabelFacts(relabeled=10, confirmed=4, minutes=12.0)
    control = ControlFacts(round=1, gain=compared(0.024, spread=spread), samples=100, challenger_samples=110)
    told = msgspec.structs.replace(whole_round(tmp_path / "1", lift=0.1), labels=labels, control=control)
    write_round(tmp_path / "1", told=told)
    text = text_of(page_of(read_report(tmp_path / "1"), out=tmp_path / "r.html"))
    part = text[text.index(" Labels ") : text.index(" Lineage ")]
    assert "masks corrected 10 confirmed as they were 4 " in part
    gain = f"+0.0240 ({0.024 - spread:+.4f} to {0.024 + spread:+.4f})"
    assert f"gain in mIoU of these labels {gain}{end}" in part
    assert said in part and "100 samples an epoch, the challenger 110" in part
    assert not re.search(r"0\.1|per |together \+", part.replace("together; with other", ""))
    write_index(tmp_path, out=tmp_path / "index.html")
    index = text_of((tmp_path / "index.html").read_text())
    assert f"+0.1000 (+0.1000 to +0.1000) {gain} 10 " in index and "labels and of longer training together" in index


def test_without_labels_no_gain_of_labels_is_told(tmp_path: Path) -> None:
    decision = whole_round(tmp_path / "1", lift=0.1).decision
    for control in (None, ControlFacts(round=1)):
        names = [name for name, _ in label_rows(LabelFacts(sent=5), decision=decision, control=control)]
        assert names == ["masks corrected", "confirmed as they were", "sent to annotators next"]
    assert label_rows(None, decision=None, control=None) == []


def test_what_teachers_say_of_all_labels_is_a_row() -> None:
    for share, said in ((0.0312, "about 3.1% of the labels"), (None, "too few to tell")):
        labels = LabelFacts(judged_by=["selfie", "sinet"], wrong_share=share)
        assert label_rows(labels, decision=None, control=None)[-1] == ("wrong, as selfie, sinet judged in mining", said)


def test_what_changed_in_the_data_is_told_by_name(tmp_path: Path) -> None:
    draw_evaluation(tmp_path / "e", before=None, after=[0.5, 0.6])
    facts = data_facts(tmp_path / "e-data")
    replace = msgspec.structs.replace
    more = replace(facts, samples=5, manifest_sha256="x", label_versions={"0": 3, "1": 2})
    rows = data_rows([more, replace(facts, name="b")], before={facts.name: facts, "c": facts}, has_before=True)
    assert [(row["state"], row["change"]) for row in rows] == [("changed", 3), ("new", 0), ("gone", -2)]
    assert rows[0]["versions"] == {"0": 2}


def test_the_index_tells_of_every_round_and_links_its_page(tmp_path: Path) -> None:
    for name, lift in (("1", 0.1), ("2", -0.1), ("10", 0.0)):
        whole_round(tmp_path / name, lift=lift)
    (tmp_path / "2" / "report.html").write_text("<!doctype html>\n<!-- curate report -->")
    found = write_index(tmp_path, out=tmp_path / "index.html")
    assert [told.number for told in found] == [1, 2, 10]
    page = (tmp_path / "index.html").read_text()
    assert re.findall(r'href="([^"]*)"', page) == ["./2/report.html"]
    assert "3 rounds, 1 promoted" in text_of(page)
    assert "score the same on every image" in text_of(page)
    assert page.count("<circle") == 3


def test_the_index_says_when_rounds_cannot_be_compared(tmp_path: Path) -> None:
    for number, digest in enumerate("ab"):
        told = Round(name=str(number), command="", miou=Interval(value=0.5, low=0.4, high=0.6), test_sets={"d": digest})
        (tmp_path / str(number)).mkdir()
        write_round(tmp_path / str(number), told=told)
    write_index(tmp_path, out=tmp_path / "index.html")
    assert "cannot be compared" in text_of((tmp_path / "index.html").read_text())


@pytest.mark.parametrize(("hashes", "drawn"), [("aaa", [3]), ("aab", [2, 1]), ("aba", [1, 1, 1]), ("abb", [1, 2])])
def test_scores_on_other_images_are_no_trend(tmp_path: Path, hashes: str, drawn: list[int]) -> None:
    """The line, and the band around it, are broken where the hash of a test set is another; every round has a dot."""
    for number, digest in enumerate(hashes):
        miou = Interval(value=0.5 + number / 10, low=0.4 + number / 10, high=0.6 + number / 10)
        (tmp_path / str(number)).mkdir()
        told = Round(name=str(number), number=number, command="", miou=miou, test_sets={"d": digest})
        write_round(tmp_path / str(number), told=told)
    write_index(tmp_path, out=tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert [len(points.split()) for points in re.findall(r'<polyline[^>]*points="([^"]*)"', page)] == drawn
    bands = re.findall(r'<path class="band s0" d="([^"]*)"', page)
    assert [len(re.findall("[ML]", band)) for band in bands] == [2 * number for number in drawn]
    assert page.count("<circle") == 3
