from __future__ import annotations

from typing import Any

from reports.rounds.evaluation_table import evaluation_lines


def summary(**changes: Any) -> dict[str, Any]:
    numbers = {"miou_image": 0.75, "std": 0.125, "p5": 0.5, "boundary_iou": 0.25, "hole_recall": None}
    empty = {"not_finite": 0, "without_person": 0, "false_foreground": None, "matting": {}}
    return {"images": 40, "share_under": 0.375, "miou_dataset": 0.8, **numbers, **empty, **changes}


def part(miou: float, *, images: int = 20) -> dict[str, Any]:
    return {"images": images, "miou_image": miou}


def metrics(*sets: str, **entry: Any) -> dict[str, Any]:
    one = {"summary": summary(), "slices": {}} | entry
    told = {"model": {"name": "unet"}, "baseline": {"name": "sinet"}, "precision": "fp32"}
    return told | {"sets": dict.fromkeys(sets or ("d",), one), "all": one}


def text(found: dict[str, Any]) -> str:
    return "\n".join(evaluation_lines(found, out="results"))


def test_one_set_is_one_row_under_its_headings() -> None:
    first, headings, row = evaluation_lines(metrics(), out="results")
    assert first == "results: unet on 40 images (fp32)"
    assert " ".join(headings.split()) == "data set images mIoU std p5 under 0.8 boundary holes data set mIoU"
    assert row.split() == ["d", "40", "0.7500", "0.1250", "0.5000", "37.5%", "0.2500", "-", "0.8000"]
    assert len(row) == len(headings)


def test_several_sets_are_followed_by_all_of_them() -> None:
    lines = evaluation_lines(metrics("a", "b"), out="results")
    assert [line.split()[0] for line in lines[2:]] == ["a", "b", "all"]


def test_slices_below_the_mean_are_named_worst_first_and_those_of_few_images_left_out() -> None:
    slices = {
        "size": {"tiny": part(0.3), "large": part(0.9)},
        "persons": {"1": part(0.7), "2": part(0.1, images=4)},
        "source": {"coco": part(0.75, images=40)},
    }
    lines = evaluation_lines(metrics(slices=slices), out="results")
    start = lines.index("  worst slices")
    assert [line.split("  ")[2] for line in lines[start + 1 :]] == ["size = tiny", "persons = 1"]


def test_what_is_no_number_is_said() -> None:
    found = text(metrics(summary=summary(not_finite=3, without_person=5, false_foreground=0.0125)))
    assert "d: 3 predictions are not finite" in found
    assert "d: 5 images show nobody: 1.25% of the frame taken for person on average" in found
    nothing = summary(miou_image=None, std=None, p5=None, share_under=None, boundary_iou=None, miou_dataset=None)
    assert evaluation_lines(metrics(summary=nothing), out="results")[2].split()[2:] == ["-"] * 7


def test_matting_errors_are_listed() -> None:
    assert "d: sad 12.35, mse_band 0.01" in text(metrics(summary=summary(matting={"sad": 12.3456, "mse_band": 0.01})))


def comparison(difference: float | None, *, low: float = 0.0, high: float = 0.0) -> dict[str, Any]:
    numbers = {"difference": difference, "low": low, "high": high, "better": 0.6, "worse": 0.3}
    return {"overall": numbers | {"images": 40}, "slices": {}}


def test_a_comparison_says_whether_it_could_be_chance() -> None:
    better = text(metrics(comparison=comparison(0.02, low=0.01, high=0.03)))
    assert "d: +0.0200 mIoU against sinet (95 %: +0.0100 .. +0.0300, better); better on 60%, worse on 30%" in better
    assert "worse);" in text(metrics(comparison=comparison(-0.02, low=-0.03, high=-0.01)))
    assert "could be chance" in text(metrics(comparison=comparison(0.02, low=-0.01, high=0.03)))
    assert "no image was scored by both" in text(metrics(comparison=comparison(None)))
