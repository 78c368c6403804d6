"""API keys: issued, verified, revoked; by the log and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest

from schemas.event import Event
from schemas.families.system import ApiKey
from schemas.records import NewRecord, RawBatch, TopicPartition
from schemas.strict import Limits, parse_strict
from schemas.topics import ALL_TOPICS
from streams.keys import CONTROL_TOPIC, MAX_STALE_S, KeyScopeError, LogKeyRing, issue_key, revoke_key
from streams.log import LogUnavailableError
from streams.log_memory import MemoryLog
from streams.ports import Principal


class SwitchableLog(MemoryLog):
    """A log that can go away."""

    away = False
    reads = 0

    def read(self, where: TopicPartition, offset: int, max_records: int) -> RawBatch:
        self.reads += 1
        if self.away:
            raise LogUnavailableError("switched off")
        return super().read(where, offset, max_records)


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def event_log() -> SwitchableLog:
    log = SwitchableLog(lambda: 1_700_000_000_000)
    log.create_topics(ALL_TOPICS, 3)
    return log


def values(event_log: MemoryLog) -> Sequence[bytes]:
    return [
        value
        for where, _ in event_log.end_offsets([CONTROL_TOPIC]).items()
        for value in event_log.read(where, 0, 1000).values
    ]


def test_an_issued_key_is_verified_with_its_role_and_scope(event_log: SwitchableLog) -> None:
    text, event = issue_key(event_log, "reader", "wuhu/jinghu", "for the street")
    assert LogKeyRing(event_log).verify(text) == Principal(event.key_id, "reader", "wuhu/jinghu")


def test_the_log_holds_the_hash_and_never_the_key(event_log: SwitchableLog) -> None:
    text, event = issue_key(event_log, "admin", "")
    _, key_id, secret = text.split("_")
    assert len(secret) >= 43
    assert (event.key_id, event.key_sha256) == (key_id, sha256(secret.encode()).hexdigest())
    assert all(secret.encode() not in value for value in values(event_log))
    assert issue_key(event_log, "admin", "")[0] != text


def test_key_events_are_valid_events(event_log: SwitchableLog) -> None:
    issue_key(event_log, "admin", "")
    issue_key(event_log, "reader", "wuhu", "note")
    for value in values(event_log):
        event = parse_strict(value, None, 1_700_000_000_000, Limits())
        assert isinstance(event, Event)
        assert isinstance(event.data, ApiKey)


@pytest.mark.parametrize("change", ["", "x", "gp_", "gp_{id}_", "gp_{id}_{other}", "gp_{unknown}_{secret}", " {text}"])
def test_what_is_not_the_key_is_nobody(event_log: SwitchableLog, change: str) -> None:
    text, event = issue_key(event_log, "reader", "")
    secret = text.rsplit("_", 1)[1]
    parts = {"id": event.key_id, "other": "a" * 43, "unknown": "b" * 12, "secret": secret, "text": text}
    assert LogKeyRing(event_log).verify(change.format(**parts)) is None
    assert LogKeyRing(event_log).verify(text + "\n") is None


def test_issue_and_revocation_count_within_a_second_elsewhere(event_log: SwitchableLog) -> None:
    clock = Clock()
    ring = LogKeyRing(event_log, clock)
    text, event = issue_key(event_log, "writer", "wuhu")
    assert ring.verify(text) is None
    clock.now_s += 1.0
    assert ring.verify(text) is not None
    revoke_key(event_log, event)
    clock.now_s += 1.0
    assert ring.verify(text) is None
    assert [key.status for key in ring.keys()] == ["revoked"]  # noqa: SIM118 - not a dict


def test_the_log_is_read_at_most_once_a_second(event_log: SwitchableLog) -> None:
    clock = Clock()
    ring = LogKeyRing(event_log, clock)
    before = event_log.reads
    for _ in range(100):
        ring.verify("gp_none_none")
    assert event_log.reads == before
    clock.now_s += 1.0
    ring.verify("gp_none_none")
    assert event_log.reads > before


def test_a_revoked_key_never_comes_back_and_no_hash_is_exchanged(event_log: SwitchableLog) -> None:
    text, event = issue_key(event_log, "reader", "")
    other_text, other = issue_key(event_log, "reader", "wuhu")
    revoke_key(event_log, event)
    for key in (event, other.model_copy(update={"key_sha256": "0" * 64, "key_scope": ""})):
        data = key.model_dump_json(exclude_none=True)
        value = f'{{"type":"cn.gridpulse.control.api_key.v1","data":{data}}}'.encode()
        for partition in range(3):
            event_log.append([NewRecord(CONTROL_TOPIC, partition, b"", value)])
    ring = LogKeyRing(event_log)
    assert ring.verify(text) is None
    assert ring.verify(other_text) == Principal(other.key_id, "reader", "wuhu")


def test_nonsense_in_the_control_topic_stops_nothing(event_log: SwitchableLog) -> None:
    nonsense = (
        b"cn.gridpulse.control.api_key",
        b'{"type":"cn.gridpulse.control.api_key.v1"}',
        b'["control.api_key"]',
        b"\xff",
    )
    event_log.append([NewRecord(CONTROL_TOPIC, 0, b"", value) for value in nonsense])
    text, _ = issue_key(event_log, "reader", "")
    assert LogKeyRing(event_log).verify(text) is not None


def test_without_the_log_known_keys_stay_good_for_a_while(event_log: SwitchableLog) -> None:
    clock = Clock()
    text, _ = issue_key(event_log, "reader", "")
    ring = LogKeyRing(event_log, clock)
    event_log.away = True
    clock.now_s += MAX_STALE_S
    assert ring.verify(text) is not None
    clock.now_s += 1.0
    with pytest.raises(LogUnavailableError):
        ring.verify(text)
    with pytest.raises(LogUnavailableError):
        ring.verify(text)
    event_log.away = False
    clock.now_s += 1.0
    assert ring.verify(text) is not None


@pytest.mark.parametrize("scope", ["Wuhu", "wuhu/", "a/b/c/d/e/f", "wuhu\n", "/"])
def test_a_malformed_scope_is_refused(event_log: SwitchableLog, scope: str) -> None:
    with pytest.raises(KeyScopeError):
        issue_key(event_log, "reader", scope)
    assert values(event_log) == []
