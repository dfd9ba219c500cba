"""SavedModels: one signature is read, of several none is guessed, a module without any is called by its function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curation.errors import InputRefused
from models.model_files import fingerprint_of
from models.prediction.find_model import find_model
from models.prediction.foreign.saved_models import offering, parsed_saved_model
from tests.models.prediction.foreign.readied import picture, predicted, ready
from tests.models.prediction.foreign.tensorflow_files import (
    FLOAT,
    card,
    module_without_signature,
    node,
    of_shape,
    of_type,
    pb,
    red_nodes,
    saved_model,
    signature,
)

MASK = signature({"image": "ImageTensor:0"}, {"mask": "logits:0"})
PLAIN = signature({"image": "ImageTensor:0"}, {"plain": "Conv:0"})
LOGITS = {"output": "logits"}


def expected(*, bias: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(picture()[..., 0] / 50 + bias)))


def test_one_signature_is_read_by_the_folder_its_graph_and_its_card(tmp_path: Path) -> None:
    folder = card(saved_model(tmp_path / "portrait", signatures={"serving_default": MASK}), **LOGITS)
    np.testing.assert_allclose(predicted(folder, picture()), expected(bias=-2), atol=1e-6)
    for path in (folder, folder / "saved_model.pb", tmp_path / "portrait.yaml"):
        found = find_model(path)
        assert (found.form, found.name, found.card) == ("saved_model", "portrait", tmp_path / "portrait.yaml")


def test_a_folder_with_a_dot_and_one_that_is_here_have_their_cards_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved_model(tmp_path / "portrait.v2", signatures={"serving_default": MASK})
    assert find_model(folder).card == tmp_path / "portrait.v2.yaml"
    monkeypatch.chdir(folder)
    assert find_model(Path()).card.resolve() == tmp_path / "portrait.v2.yaml"


def test_of_two_signatures_none_is_guessed_and_the_card_says_which(tmp_path: Path) -> None:
    both = {"serving_default": MASK, "plain": PLAIN, "__saved_model_init_op": pb((3, ""))}
    folder = saved_model(tmp_path / "two", signatures=both)
    with pytest.raises(InputRefused, match=r"2 signatures .*: plain/plain, serving_default/mask; the card") as refused:
        ready(card(folder, **LOGITS))
    assert "output_name: serving_default/mask" in refused.value.remedy
    for name, bias in (("serving_default/mask", -2), ("mask", -2), ("plain/plain", 0), ("plain", 0)):
        found = predicted(card(folder, output_name=name, **LOGITS), picture())
        np.testing.assert_allclose(found, expected(bias=bias), atol=1e-6, err_msg=name)
    with pytest.raises(InputRefused, match="'other', the model gives plain/plain, serving_default/mask"):
        ready(card(folder, output_name="other", **LOGITS))


def test_an_output_that_both_signatures_give_needs_the_signature(tmp_path: Path) -> None:
    twin = signature({"image": "ImageTensor:0"}, {"mask": "Conv:0"})
    folder = saved_model(tmp_path / "two", signatures={"serving_default": MASK, "raw": twin})
    with pytest.raises(InputRefused, match="raw/mask, serving_default/mask; the card does not say which"):
        ready(card(folder, output_name="mask", **LOGITS))
    found = predicted(card(folder, output_name="raw/mask", **LOGITS), picture())
    np.testing.assert_allclose(found, expected(bias=0), atol=1e-6)


def test_a_module_without_signature_is_called_with_what_it_captured(tmp_path: Path) -> None:
    folder = card(module_without_signature(tmp_path / "module"), mean=[50] * 3, std=[2] * 3, **LOGITS)
    normalised = (picture()[..., 0] - 50.0) / 2
    np.testing.assert_allclose(predicted(folder, picture()), 1 / (1 + np.exp(-normalised / 50)), atol=1e-6)


def test_of_two_functions_without_signature_none_is_guessed(tmp_path: Path) -> None:
    folder = card(module_without_signature(tmp_path / "module", functions=2), **LOGITS)
    with pytest.raises(InputRefused, match="no signature, and 2 functions") as refused:
        ready(folder)
    assert "signatures=" in refused.value.remedy


def test_a_folder_without_its_variables_is_told(tmp_path: Path) -> None:
    nodes = [*red_nodes(), node("w", "VarHandleOp", dtype=of_type(FLOAT), shape=of_shape(3))]
    folder = card(saved_model(tmp_path / "bare", signatures={"serving_default": MASK}, nodes=nodes), **LOGITS)
    with pytest.raises(InputRefused, match=r"its weights are missing: .*index\* and no variables/variables\.data-\*"):
        ready(folder)
    (folder / "variables").mkdir()
    (folder / "variables" / "variables.index").write_bytes(b"index")
    with pytest.raises(InputRefused, match=r"weights are missing: there is no file variables/variables\.data-\*"):
        ready(folder)


def test_what_is_no_saved_model_is_refused(tmp_path: Path) -> None:
    folder = card(saved_model(tmp_path / "broken", signatures={"serving_default": MASK}), **LOGITS)
    whole = (folder / "saved_model.pb").read_bytes()
    for data, said in ((whole[:-9], "not a SavedModel"), (b"", "holds 0 graphs")):
        (folder / "saved_model.pb").write_bytes(data)
        with pytest.raises(InputRefused, match=said):
            ready(folder)


def test_what_is_not_looked_at_stays_as_it_was(tmp_path: Path) -> None:
    """Only signatures are left out; parsed and written again, the graph has the same bytes, fields unknown here too."""
    folder = saved_model(tmp_path / "whole", signatures={"serving_default": MASK})
    data = (folder / "saved_model.pb").read_bytes()
    model = parsed_saved_model(data, file=folder)
    axis = model.meta_graphs[0].graph_def.node[4]
    del axis.attr[-1].value.tensor.int_val[:]  # the one constant without axes, which is written in another way
    axis.attr[-1].value.tensor.tensor_content = np.array(3, np.int32).tobytes()
    assert offering(model, choice="mask") == data


def test_the_fingerprint_is_that_of_graph_and_variables(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "one", signatures={"serving_default": MASK})
    before = fingerprint_of(find_model(folder))
    (folder / "variables").mkdir()
    (folder / "variables" / "variables.index").write_bytes(b"index")
    with_index = fingerprint_of(find_model(folder))
    (folder / "variables" / "variables.index").write_bytes(b"other")
    assert len({before, with_index, fingerprint_of(find_model(folder))}) == 3
    (folder / "fingerprint.pb").write_bytes(b"told by TensorFlow itself")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    assert fingerprint_of(find_model(folder)) == with_index
