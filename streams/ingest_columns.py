"""Events taken in many at a time: read as columns, and their own bytes appended, with the times as ingest writes them.

Guarantees: it only admits, and only what :func:`schemas.strict.parse_strict` accepts; whatever it leaves goes the
strict way, one by one, which gives the reasons. What is appended has the same values as the canonical bytes that the
strict way appends: the columnar reader knows every attribute and field of what it accepts, and without a backslash
in a record a text followed by a colon is a key, so the attributes that ingest writes can be found and replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from schemas.admit import Accepted, FastType
from schemas.catalogue import EVENT_TYPES
from schemas.families.civic import AlertAction, AlertSilence
from schemas.fast import Thresholds, accept
from schemas.records import NewRecord
from schemas.strict import Limits
from schemas.times import rfc3339
from schemas.topics import SYSTEM_FAMILIES, partition_key, partition_of, topic_of
from streams.recent_ids import Digest, digest_of

_RECORDED_KEY, _PARTITION_KEY = b'"recordedtime"', b'"partitionkey"'
_RECORDED: Final = re.compile(rb'"recordedtime"\s*:\s*"[^"]*"')
_TIME: Final = re.compile(rb'"time"\s*:\s*"[^"]*"')
_WRITTEN: Final = frozenset(("time", "recordedtime", "partitionkey"))
_PARTITION: Final = re.compile(rb'"partitionkey"\s*:\s*"([^"]+)"')
_KNOWN_SCOPES: Final = 100_000
PEOPLES_TYPES: Final = frozenset((AlertAction.type_name, AlertSilence.type_name))
"""Not taken from senders: their actor is the key that was presented to the API, and nobody may claim to be another."""


class Admitted(NamedTuple):
    """An event as it will be appended."""

    digest: Digest
    event_id: str
    source: str
    record: NewRecord


class _Place(NamedTuple):
    """Where the events of a scope go, unless they name a key of their own."""

    key: bytes
    partition: int


class ColumnarCheck:
    """Thread-safe: what it keeps are places of scopes, which never change."""

    def __init__(self, partitions: int, limits: Limits, thresholds: Thresholds | None = None) -> None:
        self._partitions, self._limits = partitions, limits
        compiled = ((event_type, FastType.of(event_type).get(event_type.wire_name)) for event_type in EVENT_TYPES)
        self._kinds = {
            event_type.wire_name: kind
            for event_type, kind in compiled
            if kind is not None
            and event_type.family not in SYSTEM_FAMILIES
            and event_type.name not in PEOPLES_TYPES
            and _WRITTEN.isdisjoint(kind.model.schema.names)
        }
        self._thresholds = thresholds or Thresholds()
        self._places: dict[str, _Place] = {}

    def admitted(
        self, values: Sequence[bytes], now_ms: int, is_allowed: Callable[[str], bool]
    ) -> list[Admitted | None]:
        """For each value in order: the event, or None where it has to go the strict way.

        ``is_allowed``: whether the sender may say something of a scope; asked once per scope.
        """
        out: list[Admitted | None] = [None] * len(values)
        if len(values) < self._thresholds.cut:
            return out
        stamps = _Stamps(values, now_ms, self._limits)
        recorded_ms = np.full(len(values), now_ms, dtype=np.int64)
        at = np.arange(len(values))
        for found in accept(values, at, recorded_ms, self._kinds, self._limits, self._thresholds):
            self._put(out, found, values, stamps, now_ms, is_allowed)
        return out

    def _put(
        self,
        out: list[Admitted | None],
        found: Accepted,
        values: Sequence[bytes],
        stamps: _Stamps,
        now_ms: int,
        is_allowed: Callable[[str], bool],
    ) -> None:
        ids, sources, scopes = found.id.to_pylist(), found.source.to_pylist(), found.scope.to_pylist()
        times = np.datetime_as_string(found.event_time_ms.astype("datetime64[ms]")).tolist()
        at = found.at.tolist()
        allowed = {scope for scope in set(scopes) if is_allowed(scope)}
        for of_type in found.types:
            topic = topic_of(of_type.event_type.family)
            for row in range(of_type.rows.start, of_type.rows.stop):
                place, scope = at[row], scopes[row]
                if scope not in allowed:
                    continue
                value = stamps.stamped(values[place], times[row])
                where = self._where(scope, value) if value is not None else None
                if value is None or where is None:
                    continue
                event_id, source = ids[row], sources[row]
                record = NewRecord(topic, where.partition, where.key, value, (), now_ms)
                out[place] = Admitted(digest_of(source, event_id), event_id, source, record)

    def _where(self, scope: str, value: bytes) -> _Place | None:
        """None when its key can't be told from its bytes."""
        if _PARTITION_KEY in value:
            own = _PARTITION.search(value)
            return None if own is None else _Place(own[1], partition_of(own[1], self._partitions))
        place = self._places.get(scope)
        if place is None:
            key = partition_key(scope).encode()
            if len(self._places) >= _KNOWN_SCOPES:
                self._places = {}
            place = self._places[scope] = _Place(key, partition_of(key, self._partitions))
        return place


class _Stamps:
    """Puts the times into records. What is asked of all records at once is asked of their sum first."""

    def __init__(self, values: Sequence[bytes], now_ms: int, limits: Limits) -> None:
        self._attribute = b'"recordedtime":"' + rfc3339(now_ms).encode() + b'"'
        self._start = b"{" + self._attribute + b","
        self._max_bytes = limits.max_event_bytes  # with all that is put in, it must still be small enough to read
        together = b"".join(values)
        self._are_plain = b"\\" not in together and _RECORDED_KEY not in together

    def stamped(self, value: bytes, time: str) -> bytes | None:
        """The record with its time of recording, and with its own as ``time`` (without the zone, which is UTC).

        None where that can't be done without parsing it, or where it has no time: the strict way writes one down.
        """
        if not value.startswith(b"{") or (not self._are_plain and b"\\" in value):
            return None
        canonical = b'"time":"%sZ"' % time.encode()
        if canonical not in value:
            value, count = _TIME.subn(canonical, value)
            if count != 1:
                return None
        if self._are_plain or _RECORDED_KEY not in value:
            value = self._start + value[1:]
        else:
            value, count = _RECORDED.subn(self._attribute, value)
            if count != 1:
                return None
        return value if len(value) <= self._max_bytes else None
