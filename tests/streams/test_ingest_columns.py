"""Taking events in by columns admits only what the strict way accepts, and appends the same event."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.event import Event, to_new_record
from schemas.fast import Thresholds
from schemas.strict import Limits, parse_strict
from schemas.times import rfc3339
from schemas.topics import ALL_TOPICS
from streams.ingest import Ingest, IngestConfig
from streams.ingest_columns import Admitted, ColumnarCheck
from streams.log_memory import MemoryLog
from streams.ports import STRUCTURED_HEADERS, RawEvent
from streams.recent_ids import RecentIds, digest_of
from tests.schemas.inputs import RECORDED_MS, record_values

PARTITIONS = 3
LIMITS = Limits()
MEASURED = (
    b'{"specversion":"1.0","id":"e-%d","source":"//test","type":"cn.gridpulse.readings.measured.v1",'
    b'"time":"2026-09-21T14:00:00Z",%s"scope":"wuhu/jinghu/tingtang/jianyang/g03",'
    b'"data":{"device":"n-1","quantity":"laeq","value":50.0,"unit":"dB(A)"}}'
)


def admitted(values: list[bytes]) -> list[Admitted | None]:
    check = ColumnarCheck(PARTITIONS, LIMITS, Thresholds(1, 1))
    return check.admitted(values, RECORDED_MS, lambda scope: scope != "wuhu")


def same_but_for_others_attributes(value: bytes) -> Event:
    event = parse_strict(value, None, RECORDED_MS, LIMITS)
    assert isinstance(event, Event), event
    return event


@settings(max_examples=60, deadline=None)
@given(values=st.lists(record_values(), min_size=1, max_size=8))
def test_what_is_admitted_is_what_the_strict_way_takes(values: list[bytes]) -> None:
    for value, found in zip(values, admitted(values), strict=True):
        if found is None:
            continue
        event = same_but_for_others_attributes(value)
        strict = to_new_record(event, PARTITIONS, RECORDED_MS)
        assert event.scope != "wuhu"
        assert (found.digest, found.event_id, found.source) == (
            digest_of(event.source, event.id), event.id, event.source,
        )  # fmt: skip
        assert found.record._replace(value=b"") == strict._replace(value=b"")
        assert same_but_for_others_attributes(found.record.value) == event
        appended = orjson.loads(found.record.value)
        assert (appended["recordedtime"], appended["time"]) == (rfc3339(RECORDED_MS), rfc3339(event.event_time_ms))


@pytest.mark.parametrize(
    "attribute",
    [
        b"",
        b'"recordedtime":"2001-01-01T00:00:00.000Z",',
        b'"recordedtime" :\t"x",',
        b'"partitionkey":"a/b",',
        b'"partitionkey" : "\xe8\x80\x81",',
        b'"subject":"recordedtime",',
    ],
    ids=["none", "recorded", "recorded, spaced", "key", "key, spaced", "text"],
)
def test_ordinary_events_are_admitted(attribute: bytes) -> None:
    values = [MEASURED % (number, attribute) for number in range(80)]
    found = admitted(values)
    if attribute.startswith(b'"subject"'):  # it can't be told from its key at a glance
        assert found == [None] * 80
        return
    assert [one.event_id for one in found if one is not None] == [f"e-{number}" for number in range(80)]


@pytest.mark.parametrize(
    "value",
    [
        MEASURED % (0, b'"recordedtime":"a","recordedtime":"b",'),
        MEASURED % (0, b'"recorded\\u0074ime":"a",'),
        MEASURED % (0, b'"recordedtime":null,'),
        MEASURED % (0, b'"partitionkey":null,'),
        MEASURED.replace(b'"time":"2026-09-21T14:00:00Z",', b"") % (0, b""),
        MEASURED
        % (0, b'"subject":"' + b"x" * (65_520 - len(MEASURED)) + b'",'),  # too large with its time of recording
    ],
    ids=["twice", "escaped", "null", "null key", "no time", "large"],
)
def test_what_is_not_certain_goes_the_strict_way(value: bytes) -> None:
    found = admitted([value, *(MEASURED % (number, b"") for number in range(1, 80))])
    assert found[0] is None
    assert None not in found[1:]


def test_many_at_once_get_the_answers_and_places_of_one_by_one() -> None:
    values = [MEASURED % (number % 90, b"") for number in range(100)]
    values[7] = b"{}"
    values[8] = values[8].replace(b"wuhu/", b"hefei/")
    values[9] = values[9].replace(b"//test", b"//t\\u00e4st")
    raws = [RawEvent(value, STRUCTURED_HEADERS) for value in values]
    log, other = (MemoryLog(lambda: RECORDED_MS) for _ in range(2))
    for one in (log, other):
        one.create_topics(ALL_TOPICS, PARTITIONS)
    config = IngestConfig(PARTITIONS, scope_roots=("wuhu",))
    together = Ingest(log, lambda: RECORDED_MS, config, RecentIds()).accept(raws, "wuhu/jinghu")
    single = Ingest(other, lambda: RECORDED_MS, config, RecentIds())
    assert together == [single.accept([raw], "wuhu/jinghu")[0] for raw in raws]
    assert [answer.status for answer in together].count("duplicate") == 7  # of ten that come again three were changed
    assert log.end_offsets(ALL_TOPICS) == other.end_offsets(ALL_TOPICS)
