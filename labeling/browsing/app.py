"""The only door to FiftyOne: bring the samples to show into a dataset of it, and read back what a person tagged.

FiftyOne connects to its database when it is imported, so this module is imported inside `fiftyone_database.database`.
Whatever is in the database already is compared value by value with what is wanted: nothing is doubled, nothing that did
not change is written, and a load that was cut off is finished by the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import fiftyone as fo  # type: ignore[import-untyped]
from fiftyone import ViewField as F
from fiftyone.core.odm import get_db_conn  # type: ignore[import-untyped]
from fiftyone.core.utils import to_slug  # type: ignore[import-untyped]

from curation.errors import EnvironmentProblem
from labeling.browsing.appearance import GUIDE, PERSON, colours, shown, sidebar
from labeling.browsing.fiftyone_dataset import UID, Browsed, Field, kept_tags, views_of
from labeling.browsing.views import first_view, save_views, text_mark

OURS: Final = "curate"
"""Key of `dataset.info` under which we keep what we made."""
BATCH: Final = 1000
MOST_OF_A_NAME: Final = 100
"""So many datasets of one name and one mark there are never: a mark tells the paths of the folders."""
LONGEST_NAME: Final = 200
"""Of a dataset of FiftyOne, which takes 1551 characters; the names of many folders together are more."""
FIELD_TYPES: Final = {"text": fo.StringField, "number": fo.FloatField, "whole": fo.IntField, "flag": fo.BooleanField}
LABEL_TYPES: Final = {"mask": fo.Segmentation, "map": fo.Heatmap, "class": fo.Classification}
PART: Final = {"mask": "mask_path", "map": "map_path", "class": "label"}
"""The part of a label that holds the value."""
PROBABILITY_RANGE: Final = [0, 255]
VERSION: Final = "label_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What became of a dataset of FiftyOne: its name, and how many samples changed how.

    `first` is the address in the App of the view that opens, "" where all samples do. `left_out` are columns whose
    names the user gave to fields of another kind.
    """

    name: str
    samples: int
    added: int
    changed: int
    removed: int
    views: tuple[str, ...]
    first: str = ""
    left_out: tuple[str, ...] = ()


def load(wanted: Browsed, *, folders: Mapping[str, Path], progress: Callable[[int], None]) -> Loaded:
    """Make the dataset of FiftyOne hold exactly these samples; `folders` are the datasets that they come from.

    `progress` is called with the number of samples done. Raises EnvironmentProblem when another process loads them too.
    """
    dataset = _dataset(folders)
    left_out = _declare(dataset, fields=wanted.fields)
    fields = {name: field for name, field in wanted.fields.items() if name not in left_out}
    places = dict(zip(wanted.uids, range(len(wanted.uids)), strict=True))
    ids, uids = dataset.values(["id", UID])
    known = {uid: id_ for uid, id_ in zip(uids, ids, strict=True) if uid in places}
    removed = [id_ for uid, id_ in zip(uids, ids, strict=True) if uid not in places]
    if removed:
        dataset.delete_samples(removed)
    changed = _change(dataset, wanted=wanted, fields=fields, places=places) if known else set()
    progress(len(known))
    new = [place for uid, place in places.items() if uid not in known]
    _add(dataset, wanted=wanted, fields=fields, places=new, progress=lambda done: progress(len(known) + done))
    _count_again()
    views = save_views(dataset, views=views_of(wanted), ours=set(dataset.info[OURS]["views"]))
    _dress(dataset, fields=fields)
    dataset.info = dataset.info | {OURS: dataset.info[OURS] | {"fields": sorted(fields), "views": list(views)}}
    dataset.save()
    return Loaded(
        name=dataset.name,
        samples=len(dataset),
        added=len(new),
        changed=len(changed),
        removed=len(removed),
        views=views,
        first="" if (opening := first_view(dataset, views=views)) is None else to_slug(opening),
        left_out=tuple(left_out),
    )


def web_app(name: str, *, port: int) -> Any:
    """Return the App's server, an ASGI application; of all datasets in the database it lists this one."""
    from fiftyone.server import query  # type: ignore[import-untyped]
    from fiftyone.server.app import app  # type: ignore[import-untyped]
    from fiftyone.server.events import set_port  # type: ignore[import-untyped]

    query.DATASET_FILTER_STAGE[0]["$match"]["name"] = name
    set_port(port)
    return app


def _count_again() -> None:
    """Let the database count its documents: after it was killed, its quick count, which FiftyOne shows, is off."""
    database = get_db_conn()
    for name in database.list_collection_names():
        if database[name].estimated_document_count() != database[name].count_documents({}):
            database.command("validate", name)


def read_tags(folder: Path) -> list[dict[str, list[str]]]:
    """Return the tags of the samples of a dataset by id, once for each dataset of FiftyOne that shows it."""
    home = str(folder.resolve())
    found = []
    for name in fo.list_datasets():
        dataset = fo.load_dataset(name)
        labels = [label for label, path in _folders(dataset).items() if path == home]
        for label in labels:
            ids, tags = dataset.match(F("dataset") == label).values(["curate_id", "tags"])
            found.append(dict(zip(ids, tags, strict=True)))
    return found


def _dataset(folders: Mapping[str, Path]) -> Any:
    """Return the dataset of FiftyOne for these folders, made where there is none."""
    homes = {label: str(path.resolve()) for label, path in folders.items()}
    name = " and ".join(Path(label).name for label in homes)[:LONGEST_NAME].replace("%", "-")  # the App reads % twice
    mark = text_mark(*sorted(homes.values()))
    names = (
        f"{name}{more}" for more in ("", f" {mark}", *(f" {mark} {number}" for number in range(2, MOST_OF_A_NAME)))
    )
    dataset = next(found for one in names if (found := _of_name(one, homes=homes)) is not None)
    dataset.persistent = True
    dataset.info = dataset.info | {OURS: {"fields": [], "views": []} | dataset.info.get(OURS, {}) | {"folders": homes}}
    dataset.save()
    return dataset


def _of_name(name: str, *, homes: Mapping[str, str]) -> Any | None:
    """Return the dataset of FiftyOne of this name, made where there is none; None where another has the name."""
    if fo.dataset_exists(name):
        dataset = fo.load_dataset(name)
        there = _folders(dataset)
        was_moved = bool(there) and not any(Path(home).exists() for home in there.values())
        return dataset if there == homes or was_moved else None
    try:
        return fo.Dataset(name, persistent=True)
    except ValueError:  # FiftyOne's short form of it, a-z and digits alone, is another's, or has no letter
        return None


def _folders(dataset: Any) -> dict[str, str]:
    found: dict[str, str] = dataset.info.get(OURS, {}).get("folders", {})
    return found


def _declare(dataset: Any, *, fields: Mapping[str, Field]) -> list[str]:
    """Make the schema fit; give the names that the user took for something else."""
    ours = set(dataset.info[OURS]["fields"])
    schema = dataset.get_field_schema()
    if gone := [name for name in ours if name in schema and name not in fields]:
        dataset.delete_sample_fields(gone)
    left_out = []
    for name, field in ({UID: Field(kind="text", values=[])} | dict(fields)).items():
        if name in schema and not _fits(schema[name], kind=field.kind):
            if name not in ours:
                left_out.append(name)
                continue
            dataset.delete_sample_field(name)
        if field.kind in LABEL_TYPES:
            label_type = LABEL_TYPES[field.kind]
            dataset.add_sample_field(name, fo.EmbeddedDocumentField, embedded_doc_type=label_type)
        else:
            dataset.add_sample_field(name, FIELD_TYPES[field.kind])
        if field.kind == "mask":
            _say(dataset, name=name, text=GUIDE)
    dataset.create_index(UID, unique=True)
    masks = [name for name, field in fields.items() if field.kind == "mask" and name not in left_out]
    dataset.mask_targets = {name: {PERSON: "person"} for name in masks}
    dataset.info = dataset.info | {OURS: dataset.info[OURS] | {"fields": sorted(set(fields) - set(left_out))}}
    dataset.save()
    return left_out


def _say(dataset: Any, *, name: str, text: str) -> None:
    """Let the App say something of a field, unless a person wrote something there."""
    field = dataset.get_field(name)
    if field.description is None:
        field.description = text
        field.save()


def _fits(present: Any, *, kind: str) -> bool:
    if kind in LABEL_TYPES:
        return getattr(present, "document_type", None) is LABEL_TYPES[kind]
    return type(present) is FIELD_TYPES[kind]


def _change(dataset: Any, *, wanted: Browsed, fields: Mapping[str, Field], places: Mapping[str, int]) -> set[str]:
    """Write each value that differs from the one that is there, field by field; give the ids of what changed."""
    paths = [_path(name, field=field) for name, field in fields.items()]
    own = ["id", UID, "filepath", "tags", "metadata.width", "metadata.height"]
    ids, uids, images, tags, widths, heights, *columns = dataset.values(own + paths)
    where = [places[uid] for uid in uids]
    there = dict(zip(fields, columns, strict=True))
    versions = there.get(VERSION, [None] * len(ids))
    wanted_tags = [
        kept_tags(
            now or [],
            wanted=wanted.tags[place],
            was_relabelled=version is not None and wanted.versions[place] > version,
        )
        for now, place, version in zip(tags, where, versions, strict=True)
    ]
    sizes = list(zip(widths, heights, strict=True))
    changes: dict[str, dict[str, Any]] = {
        "filepath": _differing(ids, there=images, wanted=[wanted.images[place] for place in where]),
        "tags": _differing(ids, there=tags, wanted=wanted_tags),
        "metadata": _differing(ids, there=sizes, wanted=[wanted.sizes[place] for place in where]),
    }
    changes["metadata"] = {id_: _metadata(size) for id_, size in changes["metadata"].items()}
    for name, field in fields.items():
        found = _differing(ids, there=there[name], wanted=[field.values[place] for place in where])
        changes[name] = {id_: _value(value, kind=field.kind) for id_, value in found.items()}
    for name, values in changes.items():
        if values:
            dataset.set_values(name, values, key_field="id", dynamic=False, expand_schema=False, progress=False)
    return {id_ for values in changes.values() for id_ in values}


def _differing(ids: Sequence[str], *, there: Sequence[Any], wanted: Sequence[Any]) -> dict[str, Any]:
    return {id_: new for id_, old, new in zip(ids, there, wanted, strict=True) if old != new}


def _add(
    dataset: Any,
    *,
    wanted: Browsed,
    fields: Mapping[str, Field],
    places: Sequence[int],
    progress: Callable[[int], None],
) -> None:
    for start in range(0, len(places), BATCH):
        batch = places[start : start + BATCH]
        samples = [_sample(place, wanted=wanted, fields=fields) for place in batch]
        try:
            dataset.add_samples(samples, dynamic=False, expand_schema=False, validate=False, progress=False)
        except ValueError as error:
            if "E11000" not in str(error):  # the unique index on the uid
                raise
            raise EnvironmentProblem(
                "another process loads the same samples", where=dataset.name, remedy="run the same command again"
            ) from error
        progress(start + len(batch))


def _sample(place: int, *, wanted: Browsed, fields: Mapping[str, Field]) -> Any:
    values = {name: _value(field.values[place], kind=field.kind) for name, field in fields.items()}
    return fo.Sample(
        filepath=wanted.images[place],
        tags=wanted.tags[place],
        metadata=_metadata(wanted.sizes[place]),
        **{UID: wanted.uids[place]},
        **values,
    )


def _metadata(size: tuple[int, int]) -> Any:
    return fo.ImageMetadata(width=size[0], height=size[1], num_channels=3)


def _value(value: Any, *, kind: str) -> Any:
    if value is None or kind not in LABEL_TYPES:
        return value
    extra = {"range": PROBABILITY_RANGE} if kind == "map" else {}
    return LABEL_TYPES[kind](**{PART[kind]: value}, **extra)


def _path(name: str, *, field: Field) -> str:
    return f"{name}.{PART[field.kind]}" if field.kind in PART else name


def _dress(dataset: Any, *, fields: Mapping[str, Field]) -> None:
    """Say how the App looks, unless a person said so for this dataset."""
    dataset.description = dataset.description or GUIDE
    config = dataset.app_config
    groups = [
        fo.SidebarGroupDocument(name=name, paths=paths, expanded=is_open) for name, paths, is_open in sidebar(fields)
    ]
    config.sidebar_groups = groups
    config.active_fields = fo.ActiveFields(exclude=False, paths=shown(fields))
    config.color_scheme = fo.ColorScheme(**colours(fields))
