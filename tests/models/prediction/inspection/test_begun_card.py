"""The card that a file allows to begin: what it tells stands there, and nothing that it does not tell is guessed."""

from __future__ import annotations

import pytest

from models.prediction.checks.ports import Port
from models.prediction.inspection.begun_card import Output, Seen, begun_card

IMAGE = Port(name="image", dtype="float32", sides=(1, 32, 24, 3))


def output(*sides: int | None, dtype: str = "float32", is_softmax: bool = False, name: str = "mask") -> Output:
    seen = None
    if None not in sides:
        told = tuple(side or 1 for side in sides)
        seen = Seen(sides=told, size=(32, 24), low=0, high=1, adds_up_to_one=is_softmax)
    return Output(port=Port(name=name, dtype=dtype, sides=sides), seen=seen)


def test_what_the_file_tells_stands_in_the_card_and_the_rest_is_marked() -> None:
    card = begun_card(IMAGE, [output(1, 32, 24, 2)])
    assert card.known == {"input_size": [32, 24], "layout": "NHWC", "dtype": "float32"}
    assert list(card.to_say) == ["channels", "mean", "std", "output", "person_index"]
    assert "0 to 1" in card.to_say["person_index"]


@pytest.mark.parametrize(
    ("sides", "dtype", "is_softmax", "known"),
    [
        ((1, 2, 32, 24), "float32", True, {"output_layout": "NCHW", "output": "probability"}),
        ((1, 32, 24, 2), "float32", True, {"output": "probability"}),
        ((1, 32, 24), "int64", False, {"output_layout": "HW", "output": "class_ids"}),
        ((1, 32, 24, 1), "int32", False, {"output": "class_ids"}),
        ((1, 16, 12, 1), "float32", False, {}),
    ],
)
def test_output_and_its_layout_are_told_where_nothing_else_is_possible(
    sides: tuple[int, ...], dtype: str, is_softmax: bool, known: dict[str, str]
) -> None:
    card = begun_card(IMAGE, [output(*sides, dtype=dtype, is_softmax=is_softmax)])
    told = {name: value for name, value in card.known.items() if name in {"output", "output_layout"}}
    assert told == known
    assert ("output" in card.to_say) == ("output" not in known)


def test_one_channel_of_no_class_needs_no_index_and_class_numbers_do() -> None:
    assert "person_index" not in begun_card(IMAGE, [output(1, 32, 24, 1)]).to_say
    assert "person_index" in begun_card(IMAGE, [output(1, 32, 24, dtype="int64")]).to_say


def test_uint8_takes_pixels_as_they_are() -> None:
    taken = Port(name="image", dtype="uint8", sides=(1, None, None, 3))
    card = begun_card(taken, [output(1, None, None, 2)])
    assert (card.known["mean"], card.known["std"]) == ([0, 0, 0], [1, 1, 1])
    assert {"input_size", "channels", "output_layout"} <= card.to_say.keys() and "mean" not in card.to_say


def test_of_several_outputs_one_has_to_be_named() -> None:
    card = begun_card(IMAGE, [output(1, 32, 24, 1), output(1, 32, 24, 1, name="edge")])
    assert card.to_say["output_name"] == "one of mask, edge"


def test_a_layout_that_shapes_do_not_tell_is_asked_for() -> None:
    card = begun_card(Port(name="image", dtype="float32", sides=(1, 3, 3, 3)), [output(1, 3, 3, 1)])
    assert {"layout", "input_size"} <= card.to_say.keys()
