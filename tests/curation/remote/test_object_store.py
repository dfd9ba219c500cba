"""The door to object stores: conditional writes, retries, and what is said of everything that a store may refuse."""

from __future__ import annotations

import pytest

from curation.errors import ConfigurationProblem, CurateError, EnvironmentProblem, InputRefused, RemoteUnavailable
from curation.remote.object_store import CHUNK_BYTES, PATIENCE, Changed, ObjectStore
from tests.object_store import Trouble


def test_an_object_is_written_where_there_is_none_and_only_there(bucket: str) -> None:
    store = ObjectStore(f"{bucket}/data")
    store.write_new("a", b"one")
    with pytest.raises(Changed):
        store.write_new("a", b"two")
    assert store.read("a") == b"one"


def test_an_object_is_written_over_the_one_that_was_read_and_over_no_other(bucket: str) -> None:
    store = ObjectStore(bucket)
    store.write("a", b"one")
    read = store.head("a")
    assert read is not None
    store.write_over("a", b"two", etag=read.etag)
    with pytest.raises(Changed):
        store.write_over("a", b"three", etag=read.etag)
    assert store.read("a") == b"two"


def test_a_large_object_comes_in_ranges_of_one_version(bucket: str, trouble: Trouble) -> None:
    store = ObjectStore(bucket)
    content = bytes(range(256)) * (CHUNK_BYTES // 256) * 2 + b"the end"
    store.write("large", content)
    stored = store.head("large")
    assert stored is not None
    assert b"".join(store.chunks(stored)) == content
    asked = [line.rpartition(" ")[2] for line in trouble.requests if line.startswith("GET") and "bytes=" in line]
    assert asked == ["bytes=0-4194303", "bytes=4194304-8388607", "bytes=8388608-8388614"]
    chunks = store.chunks(stored)
    next(chunks)
    store.write("large", content[::-1])
    with pytest.raises(Changed):
        next(chunks)


def test_a_store_in_trouble_is_asked_again(bucket: str, trouble: Trouble) -> None:
    store = ObjectStore(bucket)
    store.write("a", b"one")
    trouble.set(503, "SlowDown", times=2)
    assert store.read("a") == b"one"
    assert trouble.times == 0


def test_a_store_that_stays_in_trouble_stops_the_work_and_says_where(
    bucket: str, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PATIENCE, "0.3")
    trouble.set(503, "SlowDown")
    with pytest.raises(RemoteUnavailable) as refused:
        ObjectStore(bucket).read("a")
    assert refused.value.where == f"{bucket}/a"
    assert "run the same command again" in refused.value.remedy


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, "ExpiredToken", "count no more"),
        (403, "InvalidAccessKeyId", "refuses access"),
        (403, "SignatureDoesNotMatch", "refuses access"),
        (403, "AccessDenied", "refuses access"),
    ],
)
def test_credentials_that_do_not_count_are_named_with_their_variables(
    bucket: str, trouble: Trouble, status: int, code: str, reason: str
) -> None:
    trouble.set(status, code)
    with pytest.raises(ConfigurationProblem, match=code) as refused:
        ObjectStore(bucket).read("a")
    assert reason in refused.value.reason
    assert "AWS_ACCESS_KEY_ID" in refused.value.remedy


def test_a_bucket_that_may_only_be_read_is_told_from_one_that_may_not(bucket: str, trouble: Trouble) -> None:
    trouble.set(403, "AccessDenied", method="PUT")
    with pytest.raises(ConfigurationProblem, match="writing here is not allowed"):
        ObjectStore(bucket).write("a", b"one")


def test_a_bucket_that_is_not_there_is_no_missing_object(bucket: str) -> None:
    store = ObjectStore(f"{bucket}-other/data")
    for ask in (lambda: store.read("a"), lambda: store.head("a"), lambda: list(store.everything())):
        with pytest.raises(InputRefused, match="no such bucket"):
            ask()


def test_a_server_that_is_not_there_is_told(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv(PATIENCE, "0.2")
    with pytest.raises(RemoteUnavailable, match=r"127\.0\.0\.1:9") as refused:
        ObjectStore(bucket).read("a")
    assert "AWS_ENDPOINT_URL" in refused.value.remedy


def test_without_credentials_the_variables_are_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(PATIENCE, "0.2")
    with pytest.raises(ConfigurationProblem, match="no credentials") as refused:
        ObjectStore(bucket).read("a")
    assert "AWS_ACCESS_KEY_ID" in refused.value.remedy


@pytest.mark.parametrize(
    ("address", "kind", "reason"),
    [
        ("ftp://host/data", ConfigurationProblem, "no store that is read"),
        ("s3://key:secret@bucket/data", ConfigurationProblem, "credentials in it"),
    ],
)
def test_an_address_that_is_none_is_refused(address: str, kind: type[CurateError], reason: str) -> None:
    with pytest.raises(kind, match=reason) as refused:
        ObjectStore(address)
    assert "secret" not in str(refused.value)


def test_patience_that_is_no_number_is_refused(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PATIENCE, "long")
    with pytest.raises(ConfigurationProblem, match="no number of seconds"):
        ObjectStore(bucket)


def test_without_the_library_the_extra_is_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(EnvironmentProblem, match="obstore") as refused:
        ObjectStore(bucket)
    assert refused.value.remedy == "pip install 'portrait-curate[s3]'"
