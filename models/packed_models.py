"""Models of several files as one archive, and archives as the files in them: no member is ever written by its name."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from curation.errors import InputRefused, SecurityRefused
from curation.quarantine import BadRecord
from curation.storage.files import read_file, safe_join
from models.model_files import ENDINGS, MAX_MODEL_BYTES, SAVED_MODEL, VARIABLES, FoundModel, read_model_file

MAX_UNPACKED_BYTES: Final = 2 * MAX_MODEL_BYTES
"""Of all members together: a model zoo puts checkpoints beside its graph, and a bomb is larger."""
MAX_MEMBERS: Final = 10_000
INSIDE: Final = (".pb", ".tflite")
LEADS_OUT: Final = "fetch it from where it came, or take the graph (.pb) alone out of it; do not unpack it as it is"
UNPACK: Final = "unpack it, and give the frozen graph (.pb), the SavedModel or the TFLite file with its card"


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
        data = _read(path, below=root, max_bytes=left)
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
    return _read(found.weights, below=None, max_bytes=MAX_MODEL_BYTES)


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
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        remedy = "fetch the archive again from where it came"
        raise InputRefused(f"not a whole tar archive: {error}", where=file, remedy=remedy) from error


def _members(archive: tarfile.TarFile, *, file: Path) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield the regular files of an archive and their names. Raises SecurityRefused for a member that leads out."""
    total = 0
    for number, member in enumerate(archive, start=1):
        names = [member.name, *([member.linkname] if member.issym() or member.islnk() else [])]
        for name in names:
            try:
                safe_join(Path("archive"), name.removeprefix("./") or "archive")
            except BadRecord as problem:
                reason = f"the archive has a member {member.name!r}: {problem.reason}"
                raise SecurityRefused(reason, where=file, remedy=LEADS_OUT) from problem
        total += member.size
        if total > MAX_UNPACKED_BYTES or number > MAX_MEMBERS:
            reason = f"the archive holds more than {MAX_UNPACKED_BYTES >> 30} GiB, or {MAX_MEMBERS:,} files, unpacked"
            raise SecurityRefused(reason, where=file, remedy=UNPACK)
        if member.isfile():
            yield str(PurePosixPath(member.name)), member


def _chosen(names: list[str], *, file: Path) -> dict[str, str]:
    """Return which members are the model, by the names that they get."""
    seen = [name for name in names if not PurePosixPath(name).name.startswith(".")]
    graphs = [name for name in seen if PurePosixPath(name).name == SAVED_MODEL]
    for ending in INSIDE:
        single = [name for name in seen if name.endswith(ending) and name not in graphs]
        if len(single) == 1:
            return {PurePosixPath(single[0]).name: single[0]}
        if single:
            raise InputRefused(
                f"the archive holds {len(single)} models: {', '.join(single)}", where=file, remedy=UNPACK
            )
    if len(graphs) != 1:
        told = f"{len(graphs)} SavedModels: {', '.join(graphs)}" if graphs else f"no {' and no '.join(INSIDE)} file"
        raise InputRefused(f"the archive holds {told}", where=file, remedy=UNPACK)
    root = PurePosixPath(graphs[0]).parent
    variables = [name for name in seen if PurePosixPath(name).parent == root / VARIABLES]
    return {PurePosixPath(name).relative_to(root).as_posix(): name for name in [*graphs, *variables]}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    data = stream.read() if stream is not None else b""
    if len(data) != member.size:
        raise EOFError(f"{member.name} is cut off")
    return data


def _read(path: Path, *, below: Path | None, max_bytes: int) -> bytes:
    try:
        return read_file(path, below=below, max_bytes=max(max_bytes, 0))
    except BadRecord as problem:
        remedy = "restore the model from where it came, as a whole"
        raise InputRefused(problem.reason, where=path, remedy=remedy) from problem


def ending_of(found: FoundModel) -> str:
    """Return the ending under which a model is kept as one file."""
    return (
        ".tar.gz"
        if found.form in {"archive", "saved_model"}
        else next(ending for ending, form in ENDINGS.items() if form == found.form)
    )
