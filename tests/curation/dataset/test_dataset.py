"""Samples become a table as pyarrow itself would make it, without the price of pandas."""

from __future__ import annotations

import datetime
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from curation.dataset.dataset import SCHEMA
from curation.dataset.sample import Sample
from curation.dataset.table import table_of
from tests.places import REPOSITORY


def sample(number: int, **changes: Any) -> Sample:
    plain = {"id": f"a{number}", "image": f"images/{number}.jpg", "width": 60 + number, "height": 80, "source": "s"}
    rest = {"source_id": str(number), "person_area": number / 7, "group": f"g{number}", "sha256": "0" * 64}
    return Sample(**(plain | rest | changes))


def as_pyarrow_makes_it(samples: list[Sample]) -> pa.Table:
    rows = [msgspec.structs.asdict(one) for one in samples]
    added = [row.pop("extra") for row in rows]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    for name in sorted({name for one in added for name in one}):
        table = table.append_column(name, pa.array([one.get(name) for one in added]))
    return table


@pytest.mark.parametrize(
    "added",
    [
        [{}, {}],
        [{"soft": 1 / 3}, {"soft": 1e-300}],
        [{"soft": 1.0}, {}],
        [{"n": 2**62}, {"n": -1}],
        [{"is_odd": True}, {"is_odd": None}],
        [{"note": 'é "\n'}, {"note": "2020-01-01T00:00:00"}],
        [{"nothing": None}, {}],
        [{"mixed": 1}, {"mixed": 2.5}],
        [{"place": [1, 2]}, {"place": None}],
        [{"score": math.inf}, {"score": 0.5}],
        [{"raw": b"\xff"}, {"when": datetime.datetime(2020, 1, 2, 3)}],
        [{"b": 1, "a": b"x", "c": "y"}, {"b": None}],
    ],
    ids=str,
)
def test_a_table_is_the_one_that_pyarrow_makes_of_the_rows(added: list[dict[str, Any]]) -> None:
    samples = [sample(number, extra=one) for number, one in enumerate(added)]
    table = table_of(samples)
    assert table.schema.equals(as_pyarrow_makes_it(samples).schema)
    assert table.equals(as_pyarrow_makes_it(samples))


def test_values_that_are_no_number_stay_so() -> None:
    table = table_of([sample(1, extra={"score": math.nan}), sample(2, extra={"score": None})])
    assert math.isnan(table["score"][0].as_py())
    assert table["score"][1].as_py() is None


def test_no_samples_make_an_empty_table_of_the_contract() -> None:
    assert table_of([]).schema.equals(SCHEMA)
    assert table_of([]).num_rows == 0


def test_building_a_dataset_imports_no_pandas(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from curation.building.build_dataset import BuildOptions, build_dataset;"
        "from curation.building.workers import RunnerOptions;"
        "from curation.sources.demo_sources import write_aifenge_sample;"
        "from curation.sources.aifenge import AifengeSettings, plan_aifenge;"
        "root = Path(sys.argv[1]); write_aifenge_sample(root / 'source', images=4, seed=0);"
        "options = BuildOptions(runner=RunnerOptions(workers=0));"
        "card = build_dataset(plan_aifenge(AifengeSettings(root=root / 'source')), out=root / 'made', options=options);"
        "print(card.counts.selected > 0, 'pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]
