"""The class path holds exactly the locked bytes, and what goes wrong is one sentence."""

import hashlib
from pathlib import Path

import pytest

from streams import kafka_jars
from streams.kafka_jars import DevBrokerError, LockedJar, default_cache_dir, kafka_class_path, read_lock, write_lock


def locked(name: str, content: bytes) -> LockedJar:
    return LockedJar(name, "1.0", hashlib.sha256(content).hexdigest())


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the resolver brings in place of downloads: two small jars; calls are counted in a file beside them."""
    jar_dir = tmp_path / "brought"
    jar_dir.mkdir()
    (jar_dir / "broker-1.0.jar").write_bytes(b"broker")
    (jar_dir / "client-1.0.jar").write_bytes(b"client")

    def resolve(_scratch: Path) -> list[Path]:
        with (tmp_path / "calls").open("a") as calls:
            calls.write(".")
        return sorted(jar_dir.iterdir())

    monkeypatch.setattr(kafka_jars, "resolve", resolve)
    return jar_dir


def test_the_committed_lock_pins_kafka_and_nothing_twice() -> None:
    jars = read_lock()
    assert ("kafka_2.13", "4.3.0") in {(jar.name, jar.version) for jar in jars}
    assert len({jar.name for jar in jars}) == len(jars)
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)


def test_a_written_lock_reads_back(tmp_path: Path, brought: Path) -> None:
    write_lock(list(brought.iterdir()), tmp_path / "jars.lock")
    assert read_lock(tmp_path / "jars.lock") == (locked("broker", b"broker"), locked("client", b"client"))


def test_a_whole_cache_is_not_resolved_again(tmp_path: Path, brought: Path) -> None:
    lock = (locked("broker", b"broker"), locked("client", b"client"))
    first = kafka_class_path(tmp_path / "cache", lock)
    assert kafka_class_path(tmp_path / "cache", lock) == first
    assert [Path(jar).read_bytes() for jar in first.split(":")] == [b"broker", b"client"]
    assert (tmp_path / "calls").read_text() == "."


def test_a_damaged_jar_in_the_cache_is_replaced(tmp_path: Path, brought: Path) -> None:
    lock = (locked("broker", b"broker"),)
    jar = Path(kafka_class_path(tmp_path / "cache", lock))
    jar.write_bytes(b"half of it")
    kafka_class_path(tmp_path / "cache", lock)
    assert jar.read_bytes() == b"broker"


@pytest.mark.parametrize(
    ("jar", "reason"),
    [
        (locked("broker", b"other bytes"), r"broker-1\.0\.jar could not be verified: its SHA-256 differs"),
        (locked("missing", b""), r"missing-1\.0\.jar could not be verified: it was not among those resolved"),
    ],
)
def test_other_bytes_than_locked_are_refused(tmp_path: Path, brought: Path, jar: LockedJar, reason: str) -> None:
    with pytest.raises(DevBrokerError, match=reason):
        kafka_class_path(tmp_path / "cache", (jar,))
    assert not (tmp_path / "cache" / "jars" / jar.file_name).exists()


def test_a_failing_resolver_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_jars, "_RESOLVE_SCRIPT", "raise ConnectionError('no route')")
    with pytest.raises(DevBrokerError, match=r"is the network reachable.*ConnectionError: no route"):
        kafka_jars.resolve(tmp_path)


def test_a_missing_extra_is_named() -> None:
    with pytest.raises(DevBrokerError, match=r"needs the package no_such_extra.*pip install 'gridpulse\[dev\]'"):
        kafka_jars.require_extra("no_such_extra")


def test_the_cache_is_the_users() -> None:
    home = Path("/somewhere")
    assert default_cache_dir({}, home) == home / ".cache" / "gridpulse" / "kafka"
    assert default_cache_dir({"XDG_CACHE_HOME": "/else"}, home) == Path("/else/gridpulse/kafka")
