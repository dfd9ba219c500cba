"""What `curate doctor --store ADDRESS` looks at: whether a store can be read and written, and is safe to publish on."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from curation.errors import CurateError
from curation.remote.limit import limit_bytes
from curation.remote.object_store import ObjectStore, endpoint_of
from curation.remote.output import refuse_unconditional
from curation.remote.places import cache_folder
from pipelines.diagnosis.check import Check

PROBE: Final = ".curate/doctor-"


def check_store(address: str) -> list[Check]:
    """Check an address of an object store: whoever asks for it needs it. What is written is deleted again."""
    key = f"{PROBE}{secrets.token_hex(4)}"

    def read(store: ObjectStore) -> str:
        store.outermost()
        return f"{store.address} can be listed{f' at {endpoint}' if (endpoint := endpoint_of(address)) else ''}"

    def write(store: ObjectStore) -> str:
        store.write_new(key, b"curate doctor")
        return "objects can be written"

    def condition(store: ObjectStore) -> str:
        refuse_unconditional(store, key=key)
        store.delete(key)
        return "conditional writes are honoured: data sets can be published"

    checks = []
    for name, ask in (("store", read), ("store write", write), ("store claim", condition)):
        checks.append(_check(name, address=address, ask=ask))
        if not checks[-1].is_fine:
            return checks
    kept = f"{cache_folder()}, up to {limit_bytes() / 1e9:g} GB of what is read from stores"
    return [*checks, Check(name="store cache", is_fine=True, found=kept)]


def _check(name: str, *, address: str, ask: Callable[[ObjectStore], str]) -> Check:
    try:
        return Check(name=name, is_fine=True, is_needed=True, found=ask(ObjectStore(address)))
    except CurateError as problem:
        return Check(name=name, is_fine=False, is_needed=True, found=problem.cause, remedy=problem.remedy)
