"""The work of `curate prelabel`: leave out what tests show, let every teacher predict, and make the labels.

Predictions are made in a folder beside the dataset, `<out>.prelabel`, which a stopped run continues, also with another
agreement, support or other teachers beside; it is gone when the dataset is whole.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from curation.building.build_dataset import run_id
from curation.building.output_folder import finished_card
from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.label_sources import TEACHER_AGREEMENT, TEACHER_DOUBT
from curation.dataset.licenses import LICENSE_COLUMNS, flagged_counts, license_warnings, row_licenses
from curation.dataset.manifest_files import manifest_fingerprint
from curation.dataset.sample import Plan
from curation.operations.leak_groups import batches_of
from curation.storage.files import make_folder
from curation.storage.lock import exclusive
from labeling.teachers.plan_prelabels import Answered, Labelling, Pool, plan_prelabels
from labeling.teachers.teacher_label import KeepRules
from models.evaluation.checked_model import CheckedModel
from models.evaluation.score_table import columns_in
from pipelines.command_line.options import Result, RunOptions
from pipelines.labels.ask_teachers import ask_teachers, checked_teachers, described
from pipelines.labels.prelabel_flags import PrelabelFlags
from pipelines.labels.prelabel_plan import IN_TEST, apart_from_tests, chosen_pool
from pipelines.sources.make_dataset import make_dataset

DECISIVE: Final = ("agreement", "support", "with_flips", "with_scales", "where", "prefix")
"""The flags that change the result."""
SAME: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prelabelling:
    """A pool, its teachers, and where unfinished work lies."""

    flags: PrelabelFlags
    run: RunOptions
    pool: Pool
    teachers: Sequence[CheckedModel]
    settings: Mapping[str, Any]

    @property
    def staging(self) -> Path:
        """The folder of unfinished work."""
        return self.flags.out.with_name(f"{self.flags.out.name}.prelabel")

    def plan(self, pool: Pool, *, answered: Answered | None) -> Plan:
        """Return the plan of the dataset; which run it is depends on no answer."""
        rules = KeepRules(agreement=self.flags.agreement, support=self.flags.support)
        labelling = Labelling(teachers=[described(one) for one in self.teachers] if answered else (), rules=rules)
        plan = plan_prelabels(pool, answered=answered, labelling=labelling, settings=self.settings)
        return replace(plan, inputs=[*plan.inputs, *self.flags.test], shards=self.flags.shards)


def planned(flags: PrelabelFlags, *, run: RunOptions) -> Prelabelling:
    """Return what will be labelled and by whom; raises InputRefused where that is nothing, or a model is refused."""
    pool = chosen_pool(flags, run=run)
    teachers = checked_teachers(flags, pool=pool, run=run)
    given = (("manifests", flags.pool), ("tests", flags.test))
    hashes = [[one.model.sha256[:16], one.model.card_sha256[:16]] for one in teachers]
    settings = {name: getattr(flags, name) for name in DECISIVE} | {"limit": run.limit, "teachers": hashes}
    settings |= {name: [manifest_fingerprint(folder)[:16] for folder in folders] for name, folders in given}
    return Prelabelling(flags=flags, run=run, pool=pool, teachers=teachers, settings=settings)


def prelabelled(flags: PrelabelFlags, *, run: RunOptions) -> Result:
    """Label a pool, or with a dry run tell what would be labelled."""
    work = planned(flags, run=run)
    pool, teachers, settings = work.pool, work.teachers, work.settings
    if run.dry_run:
        return _told(work)
    nothing = work.plan(replace(pool, filtered={**pool.filtered, "unasked": len(pool.chosen)}), answered=None)
    if not run.overwrite and finished_card(flags.out, run=run_id(nothing)) is not None:
        return _result(make_dataset(nothing, out=flags.out, run=run), work=work)
    for one in teachers:
        one.ready("fp32")  # before anything is made
    make_folder(work.staging)
    with exclusive(work.staging / "lock"):
        apart = apart_from_tests(pool, tests=flags.test, looks=work.staging / "looks", run=run)
        asked = ask_teachers(apart, teachers=teachers, staging=work.staging, settings=settings, run=run)
        result = make_dataset(work.plan(asked.pool, answered=asked.answered), out=flags.out, run=run)
    shutil.rmtree(work.staging)
    return _result(replace(result, warnings=(*result.warnings, *asked.warnings)), work=work)


def _told(work: Prelabelling) -> Result:
    for one in work.teachers:
        one.ready("fp32")
    flags, chosen = work.flags, work.pool.chosen
    filtered = {reason: number for reason, number in work.pool.filtered.items() if number}
    names = [one.model.name for one in work.teachers]
    data = {"command": "prelabel", "out": str(flags.out), "dry_run": True, "samples": len(chosen)}
    left = f"; left out: {', '.join(f'{reason} {number}' for reason, number in filtered.items())}" if filtered else ""
    line = f"{flags.out}: would label {len(chosen)} samples with {', '.join(names)}{left} (dry run, nothing is written)"
    looked = ["  what shows the same as a test image is looked for when it is done"] if flags.test else []
    return Result.of([line, *looked], data | {"filtered": filtered, "teachers": names})


def _result(result: Result, *, work: Prelabelling) -> Result:
    dataset = read_dataset(work.flags.out)
    doubts = Counter[str]()
    for table in dataset.batches([TEACHER_DOUBT]):
        doubts.update(table[TEACHER_DOUBT].drop_null().to_pylist())
    labelled = len(dataset) - doubts.total()
    told = ", ".join(f"{name} {number}" for name, number in doubts.most_common())
    lines = [
        result.summary,
        f"  labelled     {labelled:>8}   by {', '.join(one.model.name for one in work.teachers)}",
        f"  for people   {doubts.total():>8}   {told or 'none'}; they come first: curate label push {work.flags.out}",
    ]
    data = {**result.data, "labelled": labelled, "for_people": dict(doubts)}
    warnings = (*result.warnings, *_warnings(dataset, work=work, filtered=result.data["counts"]["filtered"]))
    return replace(result, summary="\n".join(lines), data=data, warnings=warnings)


def _warnings(dataset: Dataset, *, work: Prelabelling, filtered: Mapping[str, int]) -> tuple[str, ...]:
    """Say where labels could mislead."""
    columns = [name for name in LICENSE_COLUMNS if name in dataset.schema.names]
    licenses = (texts for table in dataset.batches(columns) for texts in row_licenses(table))
    warnings = list(license_warnings(flagged_counts(licenses), samples=len(dataset)))
    if copies := filtered.get(IN_TEST):
        warnings.append(f"{copies} samples show what a test set shows, and are left out")
    agreements = columns_in(batches_of(dataset), [TEACHER_AGREEMENT])[TEACHER_AGREEMENT]
    agreements = agreements[~np.isnan(agreements)]
    if len(agreements) and (agreements == SAME).all() and len(work.teachers) > 1:
        warnings.append("the teachers never differ by a pixel: they may be one model, whose agreement shows nothing")
    if len(agreements) and agreements.max() < work.flags.agreement:
        who = "the teachers" if len(work.teachers) > 1 else "the views of the teacher"
        warnings.append(
            f"{who} agree on none of {len(agreements)} images (mean {agreements.mean():.3f}): give a lower --agreement "
            f"than {work.flags.agreement:g}, or look at predictions with `curate predict` for a teacher that is wrong"
        )
    return tuple(warnings)
