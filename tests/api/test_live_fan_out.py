"""The fan-out without sockets: any cut and resume gives what an uninterrupted client gets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.live.fan_out import FanOut, LiveClient
from api.live.positions import decode
from api.live.reader import beginning
from api.live.steps import message, read_steps
from api.live.tail import Tail
from schemas.records import NewRecord, TopicPartition
from streams.log_memory import MemoryLog
from streams.step_filter import StepFilter
from streams.webhooks.filters import AlertFilter
from tests.api.live_worlds import ALERTS, NOW_MS, SCOPE, alert, alert_ids, alerts_log, messages, record_of
from tests.detectors.batches import MINUTE, tick
from tests.detectors.incident_world import act, noticed, run

WARNINGS = StepFilter("wuhu", min_severity="warning")
KEPT = 1_000


class Process:
    """An API process: it has read the log up to where it is told to."""

    def __init__(self, log: MemoryLog, kept: int = KEPT) -> None:
        self.log = log
        begin = beginning(log, kept)
        self.tail = Tail(begin.mark, begin.start, kept)
        self.fan_out = FanOut(self.tail)
        self.read_all()

    def read(self, partition: int, count: int) -> None:
        batch = self.log.read(TopicPartition(ALERTS, partition), self.tail.next[partition], count)
        if len(batch):
            self.fan_out.add([read_steps(batch)])

    def read_all(self) -> None:
        for partition in range(len(self.tail.next)):
            self.read(partition, KEPT)

    def join(self, since: str | None, wanted: StepFilter = WARNINGS) -> LiveClient:
        client = self.fan_out.join(wanted, lambda: None, lambda: None)
        if since is not None:
            _, offsets = decode(since)
            assert self.tail.keeps(offsets)
            client.go_on_from(offsets)
        return client


@dataclass
class Person:
    """Somebody who looks at a stream, here and there, and comes back with the last id seen."""

    process: Process
    since: str | None = None
    seen: list[str] = field(default_factory=list)
    pipe: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.come_back(self.process)

    def come_back(self, process: Process) -> None:
        """What was under way is lost with the connection."""
        self.process, self.pipe = process, []
        self.client = process.join(self.since)
        self.since = self.since or process.tail.position

    def look(self, count: int) -> None:
        while len(self.pipe) < count and (piece := self.client.take()):
            self.pipe += [(one.id, one.event_id if one.event == "alert" else "") for one in messages(piece)]
        for place, event_id in self.pipe[:count]:
            self.since = place
            if event_id:
                self.seen.append(event_id)
        self.pipe = self.pipe[count:]


def wanted_in(log: MemoryLog) -> list[list[str]]:
    """What an uninterrupted client gets, per partition: warnings, each once."""
    out = []
    for partition in range(log.partitions(ALERTS)):
        batch = log.read(TopicPartition(ALERTS, partition), 0, 10_000)
        steps = read_steps(batch).steps if len(batch) else []
        found = {step.digest: step for step in steps}
        once = list(found)
        out.append([alert_ids(b"id: x\n" + found[one].message)[0] for one in once if found[one].is_wanted_by(WARNINGS)])
    return out


def by_partition(seen: list[str], partitions: int) -> list[list[str]]:
    return [[one for one in seen if one.startswith(f"p{number}-")] for number in range(partitions)]


PARTITIONS = 3
partition_numbers = st.integers(0, PARTITIONS - 1)
course = st.lists(
    st.one_of(
        st.tuples(st.just("append"), partition_numbers, st.integers(0, 15)),  # 0 to 15: which of a few ids
        st.tuples(st.just("read"), partition_numbers, st.integers(1, 4)),
        st.tuples(st.just("read elsewhere"), partition_numbers, st.integers(1, 4)),
        st.tuples(st.just("look"), st.just(0), st.integers(1, 4)),
        st.tuples(st.just("beat"), st.just(0), st.just(0)),
        st.tuples(st.just("cut"), st.just(0), st.integers(0, 2)),  # come back: here, elsewhere, to a new process
    ),
    min_size=20,
    max_size=60,
)


@settings(deadline=None, max_examples=100)
@given(course)
def test_any_cut_and_resume_gives_what_an_uninterrupted_client_gets(course: list[tuple[str, int, int]]) -> None:
    log = alerts_log(PARTITIONS)
    here, elsewhere = Process(log), Process(log)
    steady, person = Person(here), Person(here)
    for what, partition, number in course:
        if what == "append":
            # Ids come again, as after a crash; every third alert is not grave enough.
            grave = number % 3 > 0
            log.append([alert(f"p{partition}-{number}", partition, severity="warning" if grave else "info")])
        elif what == "read":
            here.read(partition, number)
        elif what == "read elsewhere":
            elsewhere.read(partition, number)
        elif what == "look":
            person.look(number)
        elif what == "beat":
            person.client.beat()
        else:
            person.come_back((here, elsewhere, Process(log))[number])
    for process in (here, elsewhere, person.process):
        process.read_all()
    person.look(KEPT)
    steady.look(KEPT)
    expected = wanted_in(log)
    assert by_partition(steady.seen, PARTITIONS) == expected
    assert by_partition(person.seen, PARTITIONS) == expected


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(partition_numbers, st.integers(1, 3)), max_size=20), st.lists(st.integers(1, 5), max_size=12))
def test_within_a_process_even_the_partitions_interleave_the_same(
    appended: list[tuple[int, int]], looks: list[int]
) -> None:
    log = alerts_log(PARTITIONS)
    here = Process(log)
    steady, person = Person(here), Person(here)
    for number, (partition, count) in enumerate(appended):
        log.append([alert(f"p{partition}-{number}-{one}", partition) for one in range(count)])
        here.read_all()
    for count in looks:
        person.look(count)
        person.come_back(here)
    person.look(KEPT)
    steady.look(KEPT)
    assert person.seen == steady.seen
    assert len(steady.seen) == sum(count for _, count in appended)


# -- what each client is given ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (StepFilter(""), ["a", "b", "c"]),
        (StepFilter("wuhu/jinghu/tingtang"), ["a", "b"]),
        (StepFilter("wuhu/jinghu/ting"), []),
        (StepFilter("", min_severity="critical"), ["b"]),
        (StepFilter("", rules=frozenset({"night_limit"})), ["c"]),
        (StepFilter("", detectors=frozenset({"device_offline"})), []),
        (StepFilter("", steps=frozenset({"opened"})), ["a", "b", "c"]),
        (StepFilter("", steps=frozenset({"resolved"})), []),
    ],
)
def test_filters(wanted: StepFilter, expected: list[str]) -> None:
    log = alerts_log(1)
    process = Process(log)
    client = process.join(None, wanted)
    log.append([alert("a"), alert("b", severity="critical"), alert("c", scope="wuhu/yijiang", rule="night_limit")])
    process.read_all()
    assert alert_ids(client.take()) == expected
    assert client.take() == b""


def test_who_heard_of_an_alert_while_it_was_grave_hears_its_end_as_a_subscriber_does() -> None:
    """It has come down to a warning when it ends: the incident operator says its end with what it was at worst."""
    rows = [noticed(NOW_MS, severity="critical"), noticed(NOW_MS + MINUTE), tick(NOW_MS + 12 * MINUTE)]
    rows += [noticed(NOW_MS + 13 * MINUTE, active=False)]
    rows += [act(NOW_MS + 14 * MINUTE, run(rows)[0].alert, "close")]
    log = alerts_log(1)
    process = Process(log)
    live = process.join(None, StepFilter("wuhu", min_severity="critical"))
    said = run(rows)
    log.append([record_of(step, f"{step.step}-{step.severity}") for step in said])
    process.read_all()
    heard = alert_ids(live.take())
    assert heard == ["opened-critical", "updated-critical", "resolved-critical", "closed-critical"]
    assert "updated-warning" in [f"{step.step}-{step.severity}" for step in said]
    subscriber = AlertFilter("wuhu", min_severity="critical")
    assert heard == [f"{step.step}-{step.severity}" for step in said if subscriber.matches(step, SCOPE)]


def test_only_those_concerned_are_told_and_equal_ones_share_the_bytes() -> None:
    log = alerts_log(1)
    process = Process(log)
    told: list[str] = []
    one, same = (process.fan_out.join(StepFilter("wuhu"), lambda: told.append("wuhu"), lambda: None) for _ in range(2))
    process.fan_out.join(StepFilter("hefei"), lambda: told.append("hefei"), lambda: None)
    log.append([alert("a")])
    process.read_all()
    assert told == ["wuhu", "wuhu"]
    assert one.take() is same.take()


def test_who_wants_nothing_of_what_comes_keeps_up_all_the_same() -> None:
    """A narrow filter must not make a client one that is too slow."""
    log = alerts_log(1)
    process = Process(log, kept=10)
    narrow, slow = process.join(None, StepFilter("hefei")), process.join(None)
    for number in range(40):
        log.append([alert(f"a{number}")])
        process.read_all()
    assert (narrow.ending, slow.ending) == (None, "slow")
    narrow.beat()
    (beat,) = messages(narrow.take())
    assert beat.id == process.tail.position


def test_a_heartbeat_moves_the_place_on_and_comes_only_into_silence() -> None:
    log = alerts_log(1)
    process = Process(log)
    client = process.join(None)
    log.append([alert("quiet", severity="info"), alert("a")])
    process.read_all()
    client.beat()
    first = client.take()
    assert b"heartbeat" not in first
    client.beat()
    assert client.take() == b": heartbeat\nid: %b\n\n" % process.tail.position.encode()


def test_of_figures_only_the_latest_is_sent_and_after_what_was_missed() -> None:
    log = alerts_log(1)
    process = Process(log)
    client = process.join(None)
    for value in (b"1", b"2"):
        client.show("noise_laeq", message("metric", value))
    client.show("heartbeats", message("metric", b"3"))
    log.append([alert("a")])
    process.read_all()
    sent = messages(client.take())
    assert [(one.event, one.data) for one in sent[1:]] == [("metric", "2"), ("metric", "3")]
    assert {one.id for one in sent} == {process.tail.position}


def test_figures_wait_until_what_was_missed_has_been_sent() -> None:
    """They say where everybody is: sent earlier, they would hide what is left."""
    log = alerts_log(1)
    process = Process(log)
    place = process.tail.position
    log.append([alert(f"a{number}") for number in range(300)])
    process.read_all()
    client = process.join(place)
    client.show("noise_laeq", message("metric", b"1"))
    client.beat()
    sent = [messages(piece) for piece in iter(client.take, b"")]
    assert len(sent) > 1
    assert [one.event for piece in sent for one in piece] == ["alert"] * 300 + ["metric"]


def test_a_place_that_is_no_longer_kept_is_known_as_such() -> None:
    log = alerts_log(2)
    process = Process(log, kept=16)
    before = decode(process.tail.position)[1]
    for number in range(19):
        log.append([alert(f"a{number}", 1)])
        process.read_all()
        assert process.tail.keeps(before) == (number < 18)  # as many as are kept, and an eighth
    assert not Process(with_history(log), kept=16).tail.keeps((0, 0))


def with_history(log: MemoryLog) -> MemoryLog:
    log.append([alert(f"h{number}", 0) for number in range(600)])
    return log


def test_what_is_no_alert_step_is_left_out_and_stops_nobody() -> None:
    log = alerts_log(1)
    process = Process(log)
    client = process.join(None)
    good = alert("good")
    others = [b"", b"{}", b"[]", b"\xff", good.value.replace(b'"warning"', b'"loud"'), b'{"type":5}']
    others.append(good.value.replace(b"alerts.alert", b"alerts.digest"))
    others += [re.sub(rb'"%b":"[^"]*"' % name, b'"%b":[]' % name, good.value) for name in (b"scope", b"rule", b"step")]
    log.append([*(NewRecord(ALERTS, 0, b"", value) for value in others), good])
    process.read_all()
    (only,) = messages(client.take())
    assert only.event_id == "good"
    assert decode(only.id)[1] == (len(others) + 1,)


def test_the_whole_event_is_passed_on_as_it_stands() -> None:
    """Fields that this version does not know, too; and over lines of its own if it was written so."""
    log = alerts_log(1)
    process = Process(log)
    client = process.join(None)
    record = alert("a")
    value = record.value.replace(b'"data":{', b'"data":{\n"new_field":{"x":[1,"\xe7\x94\xb2"]},')
    log.append([replace_value(record, value)])
    process.read_all()
    (only,) = messages(client.take())
    assert '"new_field":{"x":[1,"甲"]}' in only.data
    assert '"recordedtime":"2026-03-01T04:00:00.000Z"' in only.data


def replace_value(record: NewRecord, value: bytes) -> NewRecord:
    return record._replace(value=value)
