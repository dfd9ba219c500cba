"""The door to object stores: S3 and what speaks like it, Google Cloud Storage, Azure. Retries are the library's.

Credentials come from the environment alone: variables, or the role of the machine. What goes wrong is said with the
address, the reason and a remedy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

from curation.errors import ConfigurationProblem, CurateError, EnvironmentProblem, InputRefused, RemoteUnavailable

ADDRESS: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+):/+(?P<bucket>[^/]+)/*(?P<prefix>.*)", re.DOTALL)
REGISTRY: Final = "models"
"""So the names of models in the registry begin: `models:/portrait@champion`."""
SCHEMES: Final = {"s3": "AWS", "s3a": "AWS", "gs": "GOOGLE", "az": "AZURE", "abfs": "AZURE", "abfss": "AZURE"}
"""The stores that are read and written, and how the variables of their credentials begin."""
CREDENTIALS: Final = {
    "AWS": "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (with temporary ones AWS_SESSION_TOKEN too) and AWS_REGION",
    "GOOGLE": "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account",
    "AZURE": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
CONTINUES: Final = "then run the same command again; it continues"
PATIENCE: Final = "CURATE_STORE_PATIENCE_S"
"""For so many seconds a request is tried again, each time after a longer pause."""
USUAL_PATIENCE_S: Final = 120.0
HURRIED_S: Final = 8.0
"""At most so long where work has a deadline: a store that is slow must be told from an image that hangs a decoder."""
MAX_TRIES: Final = 100
CHUNK_BYTES: Final = 4 << 20
"""An object comes in requests of so many bytes, each tried again for itself."""
NO_CREDENTIALS: Final = re.compile(
    r"/latest/(?:api/token|meta-data)|169\.254\.169\.254|metadata\.google|[Mm]issing credentials|credential.*not found"
)
PART_BYTES: Final = 8 << 20
"""A larger object is sent in parts of so many bytes; a store takes 10,000 of them."""
REFUSED: Final = re.compile(r"\b(401 Unauthorized|403 Forbidden)\b|PermissionDenied|Unauthenticated")
BEYOND: Final = re.compile(r"\b416 Range Not Satisfiable\b")
S3_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
NO_BUCKET: Final = frozenset({"NoSuchBucket", "InvalidBucketName", "ContainerNotFound", "PermanentRedirect"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object: its key below the prefix, its size in bytes, its ETag, and when it was changed, ns since 1970."""

    key: str
    size: int
    etag: str
    changed_ns: int


class Missing(Exception):
    """There is no object of a key; no OSError, which is of this machine."""


class Changed(Exception):
    """An object is another than was expected, or is there where none was expected."""


def address_of(text: str) -> str | None:
    """Return the address that a text is, also of a store that is not read; None for a path, and for a model's name.

    A path that was made of an address has lost one of its slashes.

    >>> address_of("s3:/bucket/data"), address_of("s3://bucket/data/"), address_of("data/s3")
    ('s3://bucket/data', 's3://bucket/data', None)
    >>> address_of("models:/portrait@champion")
    """
    found = ADDRESS.fullmatch(text)
    if found is None or found["scheme"] == REGISTRY:
        return None
    prefix = re.sub("/+", "/", found["prefix"]).strip("/")
    return f"{found['scheme']}://{found['bucket']}" + (f"/{prefix}" if prefix else "")


def endpoint_of(address: str) -> str:
    """Return the server of an address where the environment names one: the same address elsewhere is other data."""
    return os.environ.get("AWS_ENDPOINT_URL", "") if SCHEMES.get(address.partition(":")[0]) == "AWS" else ""


def patience() -> float:
    """Return for how many seconds a request is tried again; raises ConfigurationProblem for what is no number."""
    text = os.environ.get(PATIENCE, "") or str(USUAL_PATIENCE_S)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e6:
        raise ConfigurationProblem(f"{PATIENCE} {text!r} is no number of seconds", remedy="give one such as 120")
    return number


def hurry() -> None:
    """Try no request of this process for longer than its work may take."""
    os.environ[PATIENCE] = str(min(HURRIED_S, patience()))


class ObjectStore:
    """What lies below one address. Keys are relative to it; one of "" is the object at the address itself."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._kind = _kind_of(address)
        obstore = _library(address)
        self._obstore: Any = obstore
        patience_s = patience()
        client: dict[str, Any] = {"timeout": timedelta(seconds=max(HURRIED_S, patience_s / 2))}
        try:
            self._store: Any = obstore.store.from_url(
                address,
                client_options=client | {"allow_http": endpoint_of(address).startswith("http:")},
                retry_config={"max_retries": MAX_TRIES, "retry_timeout": timedelta(seconds=patience_s)},
            )
        except (obstore.exceptions.BaseError, ValueError) as error:
            reason = f"this address cannot be opened: {_first_line(error)}"
            raise ConfigurationProblem(reason, where=address, remedy=CREDENTIALS[self._kind]) from error

    def head(self, key: str) -> Stored | None:
        """Return what is known of an object, None where there is none."""
        try:
            return _stored(self._obstore.head(self._store, key))
        except FileNotFoundError:
            next(self.everything(), None)  # an answer without a body does not tell a bucket that is missing
            return None
        except self._obstore.exceptions.BaseError as error:
            self._fail(error, key=key)

    def everything(self) -> Iterator[list[Stored]]:
        """Yield all objects below the address, some at a time, in the order of the store."""
        try:
            for some in self._obstore.list(self._store, chunk_size=1000):
                yield [_stored(one) for one in some]
        except (FileNotFoundError, self._obstore.exceptions.BaseError) as error:
            self._fail(error, key="")

    def outermost(self, folder: str = "") -> list[Stored]:
        """Return the objects that lie directly in a folder below the address."""
        try:
            found = self._obstore.list_with_delimiter(self._store, prefix=folder or None)
        except (FileNotFoundError, self._obstore.exceptions.BaseError) as error:
            self._fail(error, key=folder)
        return [_stored(one) for one in found["objects"]]

    def read(self, key: str, *, etag: str | None = None, start: int = 0, length: int | None = None) -> bytes:
        """Return bytes of an object, all from `start` on without a length; fewer, or none, where it ends before.

        Raises Missing where there is none, Changed where it has another ETag.
        """
        options: dict[str, Any] = {"if_match": etag} if etag else {}
        if length is not None:
            options["range"] = (start, start + length)
        elif start:
            options["range"] = {"offset": start}
        try:
            return bytes(self._obstore.get(self._store, key, options=options).bytes())
        except FileNotFoundError as error:
            self._none(error, key=key)
            raise Missing(key) from error
        except self._obstore.exceptions.PreconditionError as error:
            raise Changed(key) from error
        except self._obstore.exceptions.BaseError as error:
            if BEYOND.search(str(error)):
                return b""
            self._fail(error, key=key)

    def chunks(self, stored: Stored) -> Iterator[bytes]:
        """Yield an object in chunks of one version; raises what `read` raises."""
        for start in range(0, stored.size, CHUNK_BYTES):
            length = min(CHUNK_BYTES, stored.size - start)
            yield self.read(stored.key, etag=stored.etag, start=start, length=length)

    def write(self, key: str, content: bytes | Path) -> None:
        """Write an object, whatever stands there; a large one in parts."""
        self._put(key, content, chunk_size=PART_BYTES)

    def write_new(self, key: str, content: bytes) -> None:
        """Write an object where there is none (`If-None-Match: *`); raises Changed where there is one."""
        self._put(key, content, mode="create", use_multipart=False)

    def write_over(self, key: str, content: bytes, *, etag: str) -> str:
        """Write an object over the one of this ETag (`If-Match`), and return its own; raises Changed where another is
        there.
        """
        return self._put(key, content, mode={"e_tag": etag}, use_multipart=False)

    def delete(self, key: str) -> None:
        """Delete an object; there may be none."""
        try:
            self._obstore.delete(self._store, key)
        except FileNotFoundError:
            pass
        except self._obstore.exceptions.BaseError as error:
            self._fail(error, key=key)

    def of(self, key: str) -> str:
        """Return the address of an object."""
        return f"{self.address}/{key}" if key else self.address

    def _put(self, key: str, content: bytes | Path, **how: Any) -> str:
        known = self._obstore.exceptions
        try:
            return str(self._obstore.put(self._store, key, content, **how)["e_tag"])
        except (known.AlreadyExistsError, known.PreconditionError) as error:
            raise Changed(key) from error
        except (FileNotFoundError, known.BaseError) as error:
            self._fail(error, key=key, writing=True)

    def _none(self, error: Exception, *, key: str) -> None:
        """Tell an object that is missing from a bucket that is."""
        if (found := S3_CODE.search(str(error))) and found[1] in NO_BUCKET:
            self._fail(error, key=key)

    def _fail(self, error: Exception, *, key: str, writing: bool = False) -> NoReturn:
        raise _problem(error, where=self.of(key), kind=self._kind, writing=writing) from error


def _problem(error: Exception, *, where: str, kind: str, writing: bool) -> CurateError:
    """Return what an error of the store means to the user."""
    text = f"{type(error).__name__}: {error}"
    code = found[1] if (found := S3_CODE.search(text)) else ""
    credentials = CREDENTIALS[kind]
    if code in NO_BUCKET:
        remedy = "correct the address; for a server of your own set AWS_ENDPOINT_URL, for another region AWS_REGION"
        return InputRefused(f"there is no such bucket ({code})", where=where, remedy=remedy)
    if "InvalidPath" in text:
        remedy = "rename the object, or give an address without it"
        reason = f"the name of an object here cannot be that of a file: {_first_line(error)}"
        return InputRefused(reason, where=where, remedy=remedy)
    if NO_CREDENTIALS.search(text):
        return ConfigurationProblem("there are no credentials for this store", where=where, remedy=credentials)
    if "Expired" in code or code in {"InvalidToken", "RequestTimeTooSkewed"}:
        reason = f"the credentials count no more ({code})"
        return ConfigurationProblem(reason, where=where, remedy=f"get new ones: {credentials}; {CONTINUES}")
    if REFUSED.search(text):
        doing = "writing here is not allowed" if writing else "the store refuses access"
        remedy = f"allow it for these credentials, or give others: {credentials}; {CONTINUES}"
        return ConfigurationProblem(f"{doing} ({code or 'forbidden'})", where=where, remedy=remedy)
    remedy = (
        "see whether the address (AWS_ENDPOINT_URL) and the network are right" if kind == "AWS" else "see the network"
    )
    return RemoteUnavailable(
        f"the store does not answer as it should: {_first_line(error)}", where=where, remedy=f"{remedy}; {CONTINUES}"
    )


def _kind_of(address: str) -> str:
    found = ADDRESS.fullmatch(address)
    scheme = "" if found is None else found["scheme"]
    if found is None or scheme not in SCHEMES:
        remedy = f"give a path, or an address that begins with {', '.join(f'{name}://' for name in SCHEMES)}"
        raise ConfigurationProblem(f"{scheme}:// is no store that is read", where=address, remedy=remedy)
    if "@" in found["bucket"] or ":" in found["bucket"]:
        bucket = found["bucket"].rpartition("@")[2]
        remedy = f"leave them out; {CREDENTIALS[SCHEMES[scheme]]}"
        raise ConfigurationProblem("an address with credentials in it is not read", where=bucket, remedy=remedy)
    return SCHEMES[scheme]


def _library(address: str) -> Any:
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ModuleNotFoundError as error:
        remedy = "pip install 'portrait-curate[s3]'"
        raise EnvironmentProblem("reading object stores needs obstore", where=address, remedy=remedy) from error
    return obstore


def _stored(told: Any) -> Stored:
    changed_ns = int(told["last_modified"].timestamp() * 1e9)
    return Stored(key=told["path"], size=told["size"], etag=told["e_tag"] or "", changed_ns=changed_ns)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].strip()
