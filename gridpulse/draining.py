"""Waits until everything appended is in ClickHouse, what it caused has been said, and all of it is rolled up.

After that projections can be held against the log: nothing is on its way any more. Asks as any reader would, bears with
a store or a log that comes and goes meanwhile, and after its time says what is stuck.

Order       what is in the log (ends or a goal) → detections, alerts and dead letters that came of it → rollups.
Appends     nothing, except :func:`push`: ticks that let out the last rows where no ticker runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from projections.client import Client, StoreUnavailableError
from projections.progress import queryable
from projections.tables import EVENT_TABLES
from schemas.catalogue import BY_NAME
from schemas.event import tick_record
from schemas.metrics import METRICS
from schemas.records import TopicPartition
from schemas.topics import DOMAIN_TOPICS, SYSTEM_TOPICS, topic_of
from streams.log import EventLog, LogUnavailableError

QUIET_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.1
_SHOWN: Final = 5
_SAID_TOPICS: Final = tuple(topic for topic in SYSTEM_TOPICS if topic != topic_of("deliveries"))
_STEPS: Final = ("minute", "hour", "day")
_ROLLED = "SELECT step, source, topic, partition, done_to, run FROM rollup_progress FINAL"

Goal = Mapping[TopicPartition, int]
"""Per partition one past the last offset that must be in."""


class NotSettledError(Exception):
    """The time is over; the message says what is stuck."""


def push(log: EventLog) -> dict[TopicPartition, int]:
    """Append two ticks to every domain partition, a millisecond apart: the second lets out everything up to the first.

    One past the first ticks' offsets. Repeating it is harmless. :raises LogUnavailableError:
    """
    last = log.last_recorded_time_ms(DOMAIN_TOPICS)
    now_ms = max((ms for ms in last.values() if ms is not None), default=0) + 1
    places = sorted(last)
    first = log.append([tick_record(where.topic, where.partition, now_ms) for where in places])
    log.append([tick_record(where.topic, where.partition, now_ms + 1) for where in places])
    return {where: offset + 1 for where, offset in zip(places, first, strict=True)}


@dataclass(slots=True)
class Draining:
    """``check`` is called at every look: to restart children, or to raise what makes waiting pointless."""

    log: EventLog
    client: Client
    check: Callable[[], None]
    timeout_s: float
    quiet_s: float = QUIET_S

    def everything(self, goal: Goal | None = None) -> None:
        """Up to ``goal``, or else to the log's present end, and all that follows from it.

        :raises NotSettledError: not within ``timeout_s``; says what is stuck.
        """
        give_up_s = time.monotonic() + self.timeout_s
        if goal is None:
            # Twice: when the second ticks are in, detectors are through with what the first ones let out.
            for _ in range(2):
                self._written(self._pushed(give_up_s), give_up_s)
        else:
            self._written(goal, give_up_s)
        self._said(give_up_s)
        self._until(give_up_s, self._not_rolled_up)

    def queryable(self) -> dict[TopicPartition, int]:
        """Per partition one past the last offset that can be queried. :raises StoreError:"""
        return queryable(self.client)

    def _pushed(self, give_up_s: float) -> Goal:
        goal: dict[TopicPartition, int] = {}

        def missing() -> list[str]:
            goal.update(push(self.log))
            return []

        self._until(give_up_s, missing)
        return goal

    def _written(self, goal: Goal, give_up_s: float) -> None:
        self._until(give_up_s, lambda: _behind(goal, self.queryable()))

    def _said(self, give_up_s: float) -> None:
        """The system topics' ends stand still, and all of it is in. Deliveries are tried for a day: not waited for."""
        last: Goal = {}
        quiet_since_s = time.monotonic()

        def missing() -> list[str]:
            nonlocal last, quiet_since_s
            ends = self.log.end_offsets(_SAID_TOPICS)
            behind = _behind(ends, self.queryable())
            if behind or ends != last:
                last, quiet_since_s = ends, time.monotonic()
            quiet = time.monotonic() - quiet_since_s >= self.quiet_s
            return behind or ([] if quiet else ["detections and alerts are still being said"])

        self._until(give_up_s, missing)

    def _not_rolled_up(self) -> list[str]:
        ends = self.queryable()
        rows = self.client.query(_ROLLED).rows
        done = {(str(s), str(t), TopicPartition(str(topic), int(p))): int(to) for s, t, topic, p, to, _ in rows}
        missing = [
            f"rollup of {table} has come to {done.get(('minute', table, where), 0)} of {end} in {where}"
            for table, topic in _rolled_tables().items()
            for where, end in sorted(ends.items())
            if where.topic == topic and done.get(("minute", table, where), 0) < end
        ]
        whole, last_run = TopicPartition("", 0), max((int(row[-1]) for row in rows if row[0] in _STEPS), default=0)
        for step, source in (("hour", "metrics_minute"), ("day", "metrics_hour")):
            if done.get((step, source, whole), 0) < last_run:
                missing.append(f"rollup of {step}s has come to run {done.get((step, source, whole), 0)} of {last_run}")
        return missing

    def _until(self, give_up_s: float, missing: Callable[[], list[str]]) -> None:
        while True:
            self.check()
            try:
                stuck = missing()
            except (StoreUnavailableError, LogUnavailableError) as error:
                stuck = [str(error)]
            if not stuck:
                return
            if time.monotonic() > give_up_s:
                raise NotSettledError(_sentence(stuck, self.timeout_s))
            time.sleep(_LOOK_EVERY_S)


def _behind(goal: Goal, queryable: Goal) -> list[str]:
    return [
        f"{where}: {queryable.get(where, 0)} of {end} records can be queried"
        for where, end in sorted(goal.items())
        if queryable.get(where, 0) < end
    ]


def _rolled_tables() -> dict[str, str]:
    """Event tables that metrics are made of, with their topics."""
    return {EVENT_TABLES[metric.type_name].name: topic_of(BY_NAME[metric.type_name].family) for metric in METRICS}


def _sentence(stuck: list[str], timeout_s: float) -> str:
    more = f" and {len(stuck) - _SHOWN} more" if len(stuck) > _SHOWN else ""
    return f"not settled within {timeout_s:.0f} s: {'; '.join(stuck[:_SHOWN])}{more}; see the logs of the processes"
