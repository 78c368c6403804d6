"""What the control topic says now: the latest event of one kind, by key, rebuilt from the log by offsets.

Every event of such a kind carries the whole state of its thing, and lies in the partition of the thing's key, so that
its history has an order. :class:`LatestByKey` is the pure part; :class:`ControlState` follows a log with it.

Guarantees: a change in the log counts within ``REFRESH_INTERVAL_S`` of a question; while the log is away the last
known state stays good for ``MAX_STALE_S``, then questions are refused. Nonsense in the topic stops nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import orjson
import structlog
from pydantic import ValidationError

from schemas.base import EventData
from schemas.event import NO_SCOPE, SPEC_VERSION
from schemas.records import NewRecord, RawBatch
from schemas.topics import partition_of, topic_of
from streams.log import EventLog, LogUnavailableError

CONTROL_TOPIC = topic_of("control")
REFRESH_INTERVAL_S = 0.5
MAX_STALE_S = 300.0
READ_RECORDS = 5_000
Data = TypeVar("Data", bound=EventData)

log = structlog.get_logger(__name__)


class LatestByKey(Generic[Data]):
    """The latest event of ``model`` by key. ``follows(known, new)``: whether ``new`` may take its place."""

    def __init__(
        self,
        model: type[Data],
        partitions: int,
        key_of: Callable[[Data], str],
        follows: Callable[[Data, Data], bool],
    ) -> None:
        self.latest: dict[str, Data] = {}
        self._model = model
        self._wire_name = f"{model.type_name}.v{model.version}"
        self._sign = self._wire_name.removeprefix("cn.gridpulse.").encode()
        self._partitions = partitions
        self._key_of = key_of
        self._follows = follows

    def absorb(self, batch: RawBatch) -> None:
        """Take in records of one partition of the control topic, in order; repeating them is harmless."""
        for value in batch.values:
            self.absorb_value(batch.partition, value)

    def absorb_value(self, partition: int, value: bytes) -> str | None:
        """Take in one record; the key that it changed, None where it counts for nothing."""
        data = self._data_of(value)
        if data is None:
            return None
        key = self._key_of(data)
        if partition != partition_of(key.encode(), self._partitions):
            return None  # not where its history has an order
        known = self.latest.get(key)
        if known is not None and not self._follows(known, data):
            return None
        self.latest[key] = data
        return key

    def _data_of(self, value: bytes) -> Data | None:
        """The event in a record; None for ticks and anything else."""
        if self._sign not in value:
            return None
        try:
            envelope = orjson.loads(value)
            return self._model.model_validate(envelope["data"]) if envelope["type"] == self._wire_name else None
        except (orjson.JSONDecodeError, KeyError, TypeError, ValidationError) as fault:
            log.warning("control_event_not_understood", type=self._wire_name, fault=type(fault).__name__)
            return None


class ControlState(Generic[Data]):
    """Follows the control topic of a log: read whole at start, then onwards, twice a second at most. Thread-safe."""

    def __init__(
        self,
        event_log: EventLog,
        model: type[Data],
        key_of: Callable[[Data], str],
        follows: Callable[[Data, Data], bool],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """:raises LogUnavailableError: the control topic can't be read."""
        self._log = event_log
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._next = event_log.earliest_offsets([CONTROL_TOPIC])
        self._state = LatestByKey(model, len(self._next), key_of, follows)
        self._read_onwards()
        self._refreshed_s = self._tried_s = monotonic_s()

    def get(self, key: str) -> Data | None:
        """The state of one thing. Ask :meth:`refresh` before."""
        return self._state.latest.get(key)

    def all(self) -> list[Data]:
        """The state of everything, by key. Ask :meth:`refresh` before."""
        with self._lock:
            return [self._state.latest[key] for key in sorted(self._state.latest)]

    def refresh(self, at_most_every_s: float = REFRESH_INTERVAL_S) -> None:
        """Read on, if it was not done just now; 0: in any case.

        :raises LogUnavailableError: the log has been away for ``MAX_STALE_S``.
        """
        with self._lock:
            now_s = self._monotonic_s()
            if now_s - self._tried_s >= at_most_every_s:
                self._tried_s = now_s
                try:
                    self._read_onwards()
                    self._refreshed_s = now_s
                except LogUnavailableError as fault:
                    stale_s = round(now_s - self._refreshed_s, 1)
                    log.warning("control_not_refreshed", stale_s=stale_s, fault=str(fault))
            if now_s - self._refreshed_s > MAX_STALE_S:
                raise LogUnavailableError("the control topic can't be read: the log has been away for too long")

    def read_now(self) -> None:
        """Read on to the end: what was appended before counts afterwards. :raises LogUnavailableError: can't."""
        with self._lock:
            self._read_onwards()
            self._refreshed_s = self._tried_s = self._monotonic_s()

    def _read_onwards(self) -> None:
        for where in self._next:
            while len(batch := self._log.read(where, self._next[where], READ_RECORDS)):
                self._state.absorb(batch)
                self._next[where] = int(batch.offsets[-1]) + 1


def control_record(event_log: EventLog, data: EventData, key: str, event_id: str, source: str, scope: str) -> NewRecord:
    """The record of a control event in its key's partition; ``scope`` empty: of no place. The log stamps its time."""
    envelope = {
        "specversion": SPEC_VERSION,
        "id": event_id,
        "source": source,
        "type": f"{data.type_name}.v{data.version}",
        "scope": scope or NO_SCOPE,
        "partitionkey": key,  # a log copied into another number of partitions keeps its history together
        "datacontenttype": "application/json",
        "data": data.model_dump(exclude_none=True),
    }
    partition = partition_of(key.encode(), event_log.partitions(CONTROL_TOPIC))
    return NewRecord(CONTROL_TOPIC, partition, key.encode(), orjson.dumps(envelope))
