"""Models of several files as one archive, and archives as the files in them: no member is ever written by its name."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from posixpath import join, normpath
from typing import Final

from curation.errors import InputRefused, SecurityRefused
from curation.quarantine import BadRecord
from curation.storage.files import safe_join
from models.model_files import (
    ENDINGS,
    MAX_MODEL_BYTES,
    SAVED_MODEL,
    VARIABLES,
    FoundModel,
    bytes_in,
    read_model_file,
    refuse_no_model,
)

MAX_UNPACKED_BYTES: Final = 2 * MAX_MODEL_BYTES
"""Of all members together: a model zoo puts checkpoints beside its graph, and a bomb is larger."""
MAX_MEMBERS: Final = 10_000
INSIDE: Final = (".pb", ".tflite")
BESIDE: Final = frozenset({"fingerprint.pb", "keras_metadata.pb"})
"""What TensorFlow and Keras write beside the graph of a SavedModel; neither is a graph."""
LEADS_OUT: Final = "fetch it from where it came, or take the graph (.pb) alone out of it; do not unpack it as it is"
UNPACK: Final = "unpack it, and give the frozen graph (.pb), the SavedModel or the TFLite file with its card"
FETCH: Final = "fetch the archive again from where it came"


def model_bytes(found: FoundModel) -> bytes:
    """Return a model as one file: its own, or a SavedModel packed, equal files to equal bytes.

    Raises InputRefused: missing, too large, no regular file; SecurityRefused: a format that can carry code.
    """
    if found.form == "saved_model":
        return packed(saved_model_files(found))
    return archive_bytes(found) if found.form == "archive" else read_model_file(found.weights)


def saved_model_files(found: FoundModel) -> dict[str, bytes]:
    """Return the files of a SavedModel by their names in it: its graph and its variables. Raises InputRefused."""
    root, left = found.weights.parent, MAX_MODEL_BYTES
    files: dict[str, bytes] = {}
    for path in found.files:
        data = bytes_in(path, below=root, max_bytes=max(left, 0))
        files[path.relative_to(root).as_posix()] = data
        left -= len(data)
    return files


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return files as a .tar.gz that tells nothing of time, place or owner."""
    stream = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w|") as archive,
    ):
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            archive.addfile(member, io.BytesIO(files[name]))
    return stream.getvalue()


def archive_bytes(found: FoundModel) -> bytes:
    """Return the bytes of an archive as it lies on disk. Raises InputRefused."""
    data = bytes_in(found.weights)
    refuse_no_model(data, file=found.weights)
    return data


def model_in_archive(data: bytes, *, file: Path) -> dict[str, bytes]:
    """Return the files of the one model in a tar archive: a frozen graph, else a TFLite file, else a SavedModel.

    The files of a SavedModel are named as in its folder, another file as in the archive.
    Raises SecurityRefused, naming the member, where a name leads out or too much is packed; InputRefused: no archive,
    no model in it or several.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            members = dict(_members(archive, file=file))
            chosen = _chosen(list(members), file=file)
            return {name: _content(archive, members[member]) for name, member in chosen.items()}
    except tarfile.ReadError as error:
        raise InputRefused(
            "not a whole tar archive: it is cut off, or none at all", where=file, remedy=FETCH
        ) from error
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise InputRefused(f"not a whole tar archive: {error}", where=file, remedy=FETCH) from error


def _members(archive: tarfile.TarFile, *, file: Path) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield the regular files of an archive and their names. Raises SecurityRefused for a member that leads out."""
    total = 0
    for number, member in enumerate(archive, start=1):
        for name in _names(member):
            try:
                safe_join(Path("archive"), name.removeprefix("./") or "archive")
            except BadRecord as problem:
                told = f", a link to {member.linkname!r}" if member.issym() or member.islnk() else ""
                reason = f"the archive has a member {member.name!r}{told}: {problem.reason}"
                raise SecurityRefused(reason, where=file, remedy=LEADS_OUT) from problem
        total += member.size
        if total > MAX_UNPACKED_BYTES or number > MAX_MEMBERS:
            reason = f"the archive holds more than {MAX_UNPACKED_BYTES >> 30} GiB, or {MAX_MEMBERS:,} files, unpacked"
            raise SecurityRefused(reason, where=file, remedy=UNPACK)
        if member.isfile():
            yield str(PurePosixPath(member.name)), member


def _names(member: tarfile.TarInfo) -> list[str]:
    """Return the name of a member, and of a link what it leads to, of a symbolic one from its own folder on."""
    if member.issym():
        return [member.name, normpath(join(str(PurePosixPath(member.name).parent), member.linkname))]
    return [member.name, member.linkname] if member.islnk() else [member.name]


def _chosen(names: list[str], *, file: Path) -> dict[str, str]:
    """Return which members are the model, by the names that they get."""
    seen = [name for name in names if not (last := PurePosixPath(name).name).startswith(".") and last not in BESIDE]
    graphs = [name for name in seen if PurePosixPath(name).name == SAVED_MODEL]
    for ending in INSIDE:
        single = [name for name in seen if name.endswith(ending) and name not in graphs]
        if len(single) == 1:
            return {PurePosixPath(single[0]).name: single[0]}
        if single:
            raise InputRefused(
                f"the archive holds {len(single)} models: {', '.join(single)}", where=file, remedy=UNPACK
            )
    if not graphs:
        remedy = "give an archive that holds one; of a model of another form unpack it, and give its own file"
        raise InputRefused(f"the archive holds no {' and no '.join(INSIDE)} file", where=file, remedy=remedy)
    if len(graphs) > 1:
        raise InputRefused(
            f"the archive holds {len(graphs)} SavedModels: {', '.join(graphs)}", where=file, remedy=UNPACK
        )
    root = PurePosixPath(graphs[0]).parent
    variables = [name for name in seen if PurePosixPath(name).parent == root / VARIABLES]
    return {PurePosixPath(name).relative_to(root).as_posix(): name for name in [*graphs, *variables]}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    data = stream.read() if stream is not None else b""
    if len(data) != member.size:
        raise EOFError(f"{member.name} is cut off")
    return data


def ending_of(found: FoundModel) -> str:
    """Return the ending under which a model is kept as one file."""
    return (
        ".tar.gz"
        if found.form in {"archive", "saved_model"}
        else next(ending for ending, form in ENDINGS.items() if form == found.form)
    )
