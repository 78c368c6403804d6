"""Copying a log into a new one with another number of partitions: how a log is rescaled.

Guarantees
    place       a record goes to the partition of its own key: the event's ``partitionkey``, else the community of its
                ``scope`` (API keys: their id). So all of a community lies in one lane, even what producers that knew
                of added partitions had put elsewhere. What has no key (it is no event) keeps company with its old
                partition. What is said in every partition (silences) goes to every partition of the copy, once.
    order       of each topic: by ``(recorded_time, old partition, old offset)``, recorded times kept.
    whole       value, headers and recorded time are the same, and it is verified: the copy is read again and each of
                its partitions must hold exactly what was meant for it, in that order.
    resumable   what the target holds already is counted per partition and passed over, then verified like the rest.

Left out are ticks, which the ticker says again, and dead letters of the dataflows whose record is copied: the dataflow
says them again under the record's new place.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from schemas.event import Event
from schemas.families.civic import AlertSilence
from schemas.families.system import ApiKey, DeadLetter, Tick
from schemas.records import Headers, NewRecord, RawBatch, TopicPartition
from schemas.strict import Limits, parse_strict
from schemas.topics import ALL_TOPICS, partition_key, partition_of
from streams.header_bytes import encode_headers
from streams.log import MAX_RECORD_BYTES, EventLog, LogConfigError

_PAGE_RECORDS: Final = 5_000
_APPEND_BYTES: Final = 8 * 1024 * 1024
_WAIT_S: Final = 1.0
_SUM_BYTES: Final = 16
_SUMS: Final = 1 << (8 * _SUM_BYTES)
_NO_LIMIT: Final = Limits(max_event_bytes=MAX_RECORD_BYTES, max_ahead_ms=2**62)

_Row = tuple[int, int, int, bytes, Headers]  # recorded time, old partition, old offset, value, headers
Advance = Callable[[int], None]


@dataclass(slots=True)
class Contents:
    """What partitions hold: how many records, and sums over them, one that minds the order and one that does not."""

    records: int = 0
    unordered: int = 0
    ordered: bytes = b""

    def add(self, time_ms: int, value: bytes, headers: Headers) -> None:
        head = b"%d %d " % (time_ms, len(value))
        digest = hashlib.blake2b(head + value + (encode_headers(headers) or b""), digest_size=_SUM_BYTES).digest()
        self.records += 1
        self.unordered = (self.unordered + int.from_bytes(digest, "little")) % _SUMS
        self.ordered = hashlib.blake2b(self.ordered + digest, digest_size=_SUM_BYTES).digest()


@dataclass(slots=True)
class TopicReport:
    """One topic of a copy. ``digest`` does not depend on partitions: source and copy have the same."""

    topic: str
    from_partitions: int
    records: int = 0
    appended: int = 0  # by this run
    digest: str = ""
    left_out: dict[str, int] = field(default_factory=dict)


def copy_log(
    source: EventLog,
    target: EventLog,
    partitions: int,
    *,
    resume: bool = False,
    advance: Advance = lambda _records: None,
) -> list[TopicReport]:
    """Copy all topics of ``source`` into ``target`` with ``partitions`` each, and verify the copy.

    Nothing may be written to either meanwhile. ``advance`` is told of records read and of records verified.
    :raises LogConfigError: ``source`` is no log of GridPulse, ``target`` is the same one, is not empty, or holds
        something else than the copy; or records came in meanwhile.
    """
    facts = source.describe(ALL_TOPICS)
    if not facts.partitions:
        raise LogConfigError("the log to be copied has no topics of GridPulse: check GRIDPULSE_LOG_URL")
    if source.describe(()).identity == target.describe(()).identity:
        raise LogConfigError("the copy would be the same log: give --to another file, or another Kafka cluster")
    target.create_topics(ALL_TOPICS, partitions)
    held = _held(target)
    if not resume and any(held.values()):
        raise LogConfigError(
            f"the log to copy into holds {sum(held.values())} records already: give a new, empty one, or --resume to "
            "go on with a copy that was cut short"
        )
    ends = source.end_offsets(list(facts.partitions))
    reports = [
        _copy_topic(source, target, topic, _Route(source, topic, partitions), held, ends, advance)
        for topic in facts.partitions
    ]
    if (late := sum(source.end_offsets(list(facts.partitions)).values()) - sum(ends.values())) > 0:
        raise LogConfigError(
            f"{late} records came in while the log was copied: stop everything that writes, and run it again with "
            "--resume"
        )
    return reports


def _held(target: EventLog) -> dict[TopicPartition, int]:
    ends, earliest = target.end_offsets(ALL_TOPICS), target.earliest_offsets(ALL_TOPICS)
    return {where: end - earliest[where] for where, end in ends.items()}


def _copy_topic(
    source: EventLog,
    target: EventLog,
    topic: str,
    route: _Route,
    held: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    advance: Advance,
) -> TopicReport:
    report = TopicReport(topic, sum(where.topic == topic for where in ends))
    whole = Contents()
    meant: dict[int, Contents] = {partition: Contents() for partition in range(route.partitions)}
    waiting = _Waiting(target)
    for time_ms, partition, _, value, headers in _merged(source, topic, ends):
        advance(1)
        place = route.place(partition, value, headers)
        if isinstance(place, str):
            report.left_out[place] = report.left_out.get(place, 0) + 1
            continue
        places, key = place
        whole.add(time_ms, value, headers)
        for to in places:
            meant[to].add(time_ms, value, headers)
            if meant[to].records > held[TopicPartition(topic, to)]:
                waiting.add(NewRecord(topic, to, key, value, headers, time_ms))
                report.appended += 1
    waiting.append()
    _verify(target, topic, meant, advance)
    report.records, report.digest = whole.records, f"{whole.unordered:0{2 * _SUM_BYTES}x}"
    return report


def _verify(target: EventLog, topic: str, meant: Mapping[int, Contents], advance: Advance) -> None:
    ends = target.end_offsets([topic])
    for partition, expected in meant.items():
        found, where = Contents(), TopicPartition(topic, partition)
        for time_ms, _, _, value, headers in _rows(target, where, ends[where]):
            advance(1)
            found.add(time_ms, value, headers)
        if found != expected:
            raise LogConfigError(
                f"{where} of the copy holds {found.records} records where {expected.records} belong, or others: it "
                "can't be gone on with; copy into a new, empty log"
            )


class _Waiting:
    """Records on their way into the target, appended many at a time."""

    def __init__(self, target: EventLog) -> None:
        self._target = target
        self._records: list[NewRecord] = []
        self._bytes = 0

    def add(self, record: NewRecord) -> None:
        self._records.append(record)
        self._bytes += len(record.value)
        if len(self._records) >= _PAGE_RECORDS or self._bytes >= _APPEND_BYTES:
            self.append()

    def append(self) -> None:
        if self._records:
            self._target.append(self._records)
        self._records, self._bytes = [], 0


class _Route:
    """Where the records of one topic go."""

    def __init__(self, source: EventLog, topic: str, partitions: int) -> None:
        self.partitions = partitions
        self._kept = source.earliest_offsets(list(source.describe(ALL_TOPICS).partitions))
        self._said_everywhere: set[tuple[object, object]] = set()

    def place(self, old_partition: int, value: bytes, headers: Headers) -> tuple[Sequence[int], bytes] | str:
        """The new partitions and the key; or, as text, what kind of record is left out."""
        attributes = _attributes(value, headers)
        kind = attributes.get("type")
        if isinstance(kind, str):
            if kind.startswith(Tick.type_name + ".v"):
                return "ticks"
            if kind.startswith(DeadLetter.type_name + ".v") and self._is_said_again(attributes.get("data")):
                return "dead_letters_of_copied_records"
        key = _key(attributes)
        if key is None:
            return (old_partition % self.partitions,), b""
        if isinstance(kind, str) and kind.startswith(AlertSilence.type_name + ".v"):
            return self._everywhere(attributes, key)
        return (partition_of(key, self.partitions),), key

    def _everywhere(self, attributes: Mapping[str, Any], key: bytes) -> tuple[Sequence[int], bytes] | str:
        """The first of an event's records stands for all of them; its lanes must all hear of it again."""
        identity = (attributes.get("source"), attributes.get("id"))
        if identity in self._said_everywhere:
            return "repeated_in_every_partition"
        self._said_everywhere.add(identity)
        return range(self.partitions), key

    def _is_said_again(self, letter: Any) -> bool:
        if not isinstance(letter, dict) or letter.get("stage") != "decode":
            return False
        topic, _, rest = str(letter.get("origin")).partition("/")
        partition, _, offset = rest.partition("/")
        if not (partition.isdigit() and offset.isdigit()):
            return False
        kept = self._kept.get(TopicPartition(topic, int(partition)))
        return kept is not None and int(offset) >= kept


def _attributes(value: bytes, headers: Headers) -> dict[str, Any]:
    """The attributes that say where a record belongs; empty when it is no event. The codec's verdict where in doubt."""
    if not headers:
        try:
            document = orjson.loads(value)
            return document if isinstance(document, dict) else {}
        except orjson.JSONDecodeError:
            pass
    event = parse_strict(value, headers, 0, _NO_LIMIT)
    if not isinstance(event, Event):
        return {}
    data = event.data.model_dump()
    return {
        "type": event.event_type.wire_name,
        "source": event.source,
        "id": event.id,
        "partitionkey": event.partition_key,
        "scope": event.scope,
        "data": data,
    }


def _key(attributes: Mapping[str, Any]) -> bytes | None:
    if str(attributes.get("type")).startswith(ApiKey.type_name + ".v"):
        data = attributes.get("data")
        key = data.get("key_id") if isinstance(data, dict) else None
    else:
        key, scope = attributes.get("partitionkey"), attributes.get("scope")
        if key is None and isinstance(scope, str):
            key = partition_key(scope)
    return key.encode("utf-8", "surrogatepass") if isinstance(key, str) and key else None


def _merged(log: EventLog, topic: str, ends: Mapping[TopicPartition, int]) -> Iterator[_Row]:
    """A topic's records in the order of the copy."""
    return heapq.merge(*(_rows(log, where, end) for where, end in sorted(ends.items()) if where.topic == topic))


def _rows(log: EventLog, where: TopicPartition, end: int) -> Iterator[_Row]:
    """What a partition holds below ``end``."""
    first = log.earliest_offsets([where.topic])[where]
    if first >= end:
        return
    with log.reader({where: first}) as reader:
        while reader.next_offsets()[where] < end:
            for batch in reader.poll(_PAGE_RECORDS, _WAIT_S):
                yield from _below(batch, where.partition, end)


def _below(batch: RawBatch, partition: int, end: int) -> Iterator[_Row]:
    headers = batch.headers or [()] * len(batch)
    columns = zip(batch.recorded_time_ms.tolist(), batch.offsets.tolist(), batch.values, headers, strict=True)
    for time_ms, offset, value, of_record in columns:
        if offset < end:
            yield time_ms, partition, offset, value, of_record
