"""Holds a settled world against the log: every table as ``gridpulse verify`` does, and what the detectors have said as
``gridpulse replay`` does, which reads the log again from its beginning without a crash.

Both look at ClickHouse, where the first of several equal ids wins. So the log's own records are looked at too: what was
said once more after a crash must be the same to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from detectors.contract import Emitted
from gridpulse import adapters
from gridpulse.checking import run_verify, sentence
from gridpulse.cli.output import progress_bar
from gridpulse.replaying import ReplayOptions, replay
from gridpulse.settings import Settings
from replay.fill import spans
from replay.run_spec import LIVE
from schemas.records import TopicPartition
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS, topic_of
from streams.flow import FlowPorts, LaneLogic
from streams.log import EventLog
from streams.merge import LaneReader
from streams.pages import pages

_BATCH_RECORDS = 20_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """``differences``: tables and detector outputs that are not the same, a sentence each."""

    differences: tuple[str, ...]


def compare(settings: Settings, log: EventLog) -> Comparison:
    """Both comparisons. :raises StoreError: :raises LogError:"""
    ports = adapters.flow_ports(settings, log, "chaos")
    return Comparison((*_tables(settings), *_replay(settings), *_outputs(settings, log, ports)))


def _tables(settings: Settings) -> Iterator[str]:
    """What ``gridpulse verify`` finds. All is settled, so what it would let pass as pending is a difference too."""
    with progress_bar(quiet=True) as bar:
        found = run_verify(settings, [], 0.0, bar)
    yield from (sentence(difference) for difference in found.shown)
    yield from _more("verify", found.differences + found.pending - len(found.shown))


def _replay(settings: Settings) -> Iterator[str]:
    whole = ReplayOptions()
    spec, config = whole.spec(settings.site_timezone), whole.config()
    summary = replay(settings, spec, config, LIVE, None, lambda _records, _total: None)
    first = summary["first_differences"]
    yield from (f"replay: {orjson.dumps(one, default=str).decode()}" for one in first)
    wrong = sum(summary["difference"].values()) + (summary["same"] is not True)
    yield from _more("replay", wrong - len(first))


def _more(command: str, count: int) -> Iterator[str]:
    yield from (f"{command} counts {count} differences that it does not show" for _ in range(count))


def _outputs(settings: Settings, log: EventLog, ports: FlowPorts) -> Iterator[str]:
    """By id: what both say must be the same to the byte, but for when it was appended."""
    live = _said_live(log)
    again: dict[tuple[str, str], bytes] = {}
    ends = log.end_offsets(ALL_TOPICS)
    for lane in range(settings.partitions):
        drain_to = {topic: ends[TopicPartition(topic, lane)] for topic in DOMAIN_TOPICS}
        with LaneReader(log, DOMAIN_TOPICS, lane, drain_to=drain_to) as reader:
            for emitted in _replayed(reader, ports, ports.new_lane()):
                record = ports.detection_record(emitted)
                again[_identity(record.value)] = record.value
    for name, ids in (("gone", live.keys() - again.keys()), ("new", again.keys() - live.keys())):
        yield from (f"{name} in a replay: {' '.join(one)}" for one in sorted(ids))
    yield from (
        f"said otherwise in a replay: {' '.join(one)}"
        for one in sorted(live.keys() & again.keys())
        if live[one] != {again[one]}
    )


def _replayed(reader: LaneReader, ports: FlowPorts, lane: LaneLogic) -> Iterator[Emitted]:
    while not reader.drained:
        batch = reader.poll(_BATCH_RECORDS, 1.0)
        if batch is not None:
            yield from lane.process(ports.decode(batch).events)


def _said_live(log: EventLog) -> dict[tuple[str, str], set[bytes]]:
    topics = (topic_of("detections"), topic_of("alerts"))
    said: dict[tuple[str, str], set[bytes]] = {}
    for span in spans(log, topics, log.end_offsets(topics)):
        for batch in pages(log, span.where, span.start, span.end):
            for value in batch.values:
                said.setdefault(_identity(value), set()).add(value)
    return said


def _identity(value: bytes) -> tuple[str, str]:
    event = orjson.loads(value)
    return event["source"], event["id"]
