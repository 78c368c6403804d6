"""The account of a chaos run finds each thing that can be wrong, and its senders and faults do what they say."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pyarrow as pa
import pytest

from gridpulse.chaos_account import Account, account
from gridpulse.chaos_faults import BROKER, PROCESSES, Fault, plan
from gridpulse.chaos_load import Answers, Event, LoadError
from projections.client import Client
from schemas.codec import Decoder
from schemas.event import new_event, to_new_record
from schemas.families.readings import Measured
from schemas.records import NewRecord
from schemas.strict import Limits
from schemas.topics import DOMAIN_TOPICS, topic_of
from streams.log_memory import MemoryLog
from streams.recent_ids import digest_of

NOW_MS = 1_780_000_000_000
SOURCE = "//iot/test"


def record(event_id: str) -> NewRecord:
    data = Measured(device="noise-1", quantity="laeq", value=61.5, unit="dB(A)", interval_s=60)
    scope = "wuhu/jinghu/tingtang/jianyang/g03"
    event = new_event(data, id=event_id, source=SOURCE, scope=scope, event_time_ms=NOW_MS)
    return to_new_record(event, 2, NOW_MS)


class Tables:
    """The part of ClickHouse that the account reads: identities in one table."""

    def __init__(self, event_ids: list[str]) -> None:
        self._event_ids = event_ids

    def query_arrow(self, sql: str) -> pa.Table:
        ids = self._event_ids if sql.endswith("FROM readings FINAL") else []
        return pa.table({"source": pa.array([SOURCE] * len(ids)), "event_id": pa.array(ids, pa.string())})


def accounted(
    log_ids: str, table_ids: str, acknowledged: str, rejected: str = "", foreign: tuple[NewRecord, ...] = ()
) -> Account:
    """Each letter is an event."""
    log = MemoryLog(lambda: NOW_MS)
    log.create_topics(DOMAIN_TOPICS, 2)
    log.append([*(record(event_id) for event_id in log_ids), *foreign])
    return account(
        log,
        Decoder(Limits()).decode,
        cast(Client, Tables(list(table_ids))),
        {digest_of(SOURCE, event_id) for event_id in acknowledged},
        {digest_of(SOURCE, event_id) for event_id in rejected},
    )


def test_all_is_well_though_the_log_repeats_itself() -> None:
    found = accounted("abcab", "abc", "abc", rejected="x")
    assert (found.acknowledged, found.in_log, found.in_clickhouse, found.faults) == (3, 3, 3, 0)
    assert found.examples == ()


def test_not_acknowledged_is_not_lost() -> None:
    """A sender that had no answer; it may be there or not."""
    assert accounted("abz", "abz", "ab").faults == 0
    assert accounted("ab", "ab", "ab").faults == 0


@pytest.mark.parametrize(
    ("log_ids", "table_ids", "acknowledged", "rejected", "wrong", "says"),
    [
        ("ab", "ab", "abc", "", {"lost": 1}, "not in the log: digest"),
        ("ab", "abc", "abc", "", {"lost": 1}, "not in the log: digest"),  # the table alone is not enough
        ("abc", "ab", "abc", "", {"lost": 1}, f"not in ClickHouse: {SOURCE} c"),
        ("abc", "abcbb", "abc", "", {"duplicated": 2}, f"twice in ClickHouse (readings): {SOURCE} b"),
        ("abx", "ab", "ab", "x", {"rejected_in_log": 1}, f"rejected, but in the log: {SOURCE} x"),
    ],
)
def test_each_wrong_is_counted_and_named(
    log_ids: str, table_ids: str, acknowledged: str, rejected: str, wrong: dict[str, int], says: str
) -> None:
    found = accounted(log_ids, table_ids, acknowledged, rejected)
    counted = {name: getattr(found, name) for name in ("lost", "duplicated", "rejected_in_log", "unread_in_log")}
    assert {name: count for name, count in counted.items() if count} == wrong
    assert len(found.examples) == found.faults
    assert says in found.examples[0]


def test_equal_numbers_of_different_events_are_a_loss() -> None:
    found = accounted("abd", "abd", "abc")
    assert (found.acknowledged, found.in_log, found.in_clickhouse, found.lost) == (3, 2, 2, 1)


def test_what_nobody_can_read_is_told() -> None:
    broken = NewRecord(topic_of("readings"), 1, b"", b'{"specversion":', (), NOW_MS)
    found = accounted("a", "a", "a", foreign=(broken,))
    assert found.unread_in_log == 1
    assert "gridpulse.readings/1/" in found.examples[0]


def test_only_what_was_answered_so_is_acknowledged() -> None:
    answers = Answers()
    events = [Event.of(record(event_id).value) for event_id in "abc"]
    broken = Event.of(record("d").value[:-9])
    statuses = ("accepted", "duplicate", "rejected", "rejected")
    good = answers.note([*events, broken], [{"status": status} for status in statuses])
    assert good == events[:2]
    assert answers.acknowledged == {digest_of(SOURCE, event_id) for event_id in "ab"}
    assert answers.rejected == {digest_of(SOURCE, "c")}
    assert (answers.refused, answers.repeated) == (2, 1)


@pytest.mark.parametrize("results", [[], [{"status": "accepted"}] * 2])
def test_an_answer_must_fit_what_was_sent(results: list[dict[str, Any]]) -> None:
    with pytest.raises(LoadError):
        Answers().note([Event.of(record("a").value)], results)
    with pytest.raises(LoadError, match="no event"):
        Answers().note([Event.of(b"{")], [{"status": "accepted"}])


def kills(faults: list[Fault]) -> int:
    return sum({"kill": 1, "two": 2, "outage": 1, "stall": 0}[fault.kind] for fault in faults)


@pytest.mark.parametrize("kafka", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_plan_is_drawn_from_its_seed_and_has_enough_of_everything(seed: int, kafka: bool) -> None:
    faults = plan(150.0, seed, kafka)
    assert faults == plan(150.0, seed, kafka) != plan(150.0, seed + 1, kafka)
    assert [fault.at_s for fault in faults] == sorted(fault.at_s for fault in faults)
    assert faults[-1].at_s < 150.0
    assert kills(faults) >= 20
    hit = Counter(target for fault in faults for target in fault.targets)
    assert hit.keys() == {*PROCESSES, BROKER} if kafka else {*PROCESSES}
    assert max(fault.for_s for fault in faults if fault.kind == "outage") == 60.0
    assert all(5.0 <= fault.for_s <= 15.0 for fault in faults if fault.kind == "stall")


@pytest.mark.parametrize("kafka", [False, True])
def test_a_short_plan_has_kills_enough_too(kafka: bool) -> None:
    assert all(kills(plan(18.0, seed, kafka)) >= 6 for seed in range(20))
