"""Holds a settled world against a fresh one: every table against one built anew from the log, and what the detectors
have said against what they say when the log is read again from its beginning, without a crash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from detectors.contract import Emitted
from gridpulse import adapters
from gridpulse.settings import Settings
from projections.client import Client
from projections.digest import CONTENT_TABLES, TableDigest, table_digest
from projections.migrate import migrate
from projections.rollup import RollupWorker
from projections.writer import Writer
from replay.fill import fill, spans
from schemas.records import TopicPartition
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS, topic_of
from streams.flow import FlowPorts, LaneLogic
from streams.log import EventLog
from streams.merge import LaneReader

FRESH_DATABASE = "chaos_check"
_BATCH_RECORDS = 20_000
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """``differences``: tables and detector outputs that are not the same, a sentence each."""

    differences: tuple[str, ...]


def compare(settings: Settings, log: EventLog, client: Client) -> Comparison:
    """Both comparisons. The fresh database stays, for looking at what differs. :raises StoreError: :raises LogError:"""
    ports = adapters.flow_ports(settings, log, "chaos")
    return Comparison((*_tables(settings, log, client, ports), *_outputs(settings, log, ports)))


def _tables(settings: Settings, log: EventLog, client: Client, ports: FlowPorts) -> Iterator[str]:
    with adapters.clickhouse(settings, database=FRESH_DATABASE) as fresh:
        migrate(fresh)
        ends = log.end_offsets(ALL_TOPICS)
        fill(log, ports.decode, Writer(fresh, "chaos"), spans(log, ALL_TOPICS, ends), lambda: datetime.now(UTC))
        RollupWorker(fresh, settings.site_timezone).catch_up()
        for table in CONTENT_TABLES:
            live, anew = table_digest(client, table), table_digest(fresh, table)
            if live != anew:
                yield f"table {table.name}: {_said(live)} live, {_said(anew)} from the log"


def _said(digest: TableDigest) -> str:
    return f"{digest.rows} rows {digest}"


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
        offset = span.start
        while offset < span.end:
            batch = log.read(span.where, offset, _BATCH_RECORDS)
            if not len(batch):
                break
            offset = int(batch.offsets[-1]) + 1
            for value in batch.values:
                said.setdefault(_identity(value), set()).add(value)
    return said


def _identity(value: bytes) -> tuple[str, str]:
    event = orjson.loads(value)
    return event["source"], event["id"]
