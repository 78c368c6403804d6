"""A city at peak: many devices that all report now, dense in time; unlike the simulated district, which is a few for
weeks.

Deterministic. Every device has a kind and says its thing every ``INTERVAL_S`` seconds: half of all events are readings,
a third heartbeats, the rest presence at home and passages. A few meters burst above their limit at night and a few
people press SOS, so that there is something to detect. Readings have about 330 bytes, as in the field.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count

import numpy as np

from schemas.event import tick_record
from schemas.families.movement import Passage
from schemas.families.readings import Heartbeat, Measured, Presence, Sos
from schemas.families.registry import Device, Person
from schemas.records import NewRecord
from schemas.topics import DOMAIN_TOPICS, partition_of, topic_of

BURST_DB = 95.0
START_MS = 1_772_373_600_000  # 2026-03-01 22:00 in Shanghai
INTERVAL_S = 17.0  # a million devices make 60,000 events per second
DEVICES_PER_COMMUNITY = 500
DELAY_MS = 150  # from happening to being appended
BURST_EVERY, _SOS_EVERY = 200, 20_000  # groups of twenty; events
_QUANTITIES = (("temperature", "Cel", 21.5), ("humidity", "%", 55.0), ("pm2_5", "ug/m3", 35.0), ("current", "A", 3.2))
OF_TWENTY = ("noise",) * 2 + ("climate",) * 8 + ("wearable",) * 7 + ("presence",) * 2 + ("gate",)
_SECOND_MS = 1000


@dataclass(frozen=True, slots=True)
class _Place:
    """One community as records name it."""

    scope: str
    key: str
    partition: int


def city_records(
    devices: int, events: int, partitions: int = 1, *, first: int = 0, start_ms: int = START_MS,
    interval_s: float = INTERVAL_S, burst_every: int = BURST_EVERY,
) -> list[NewRecord]:  # fmt: skip
    """Events ``first`` to ``first + events`` of the city, in recorded order, with a tick of every lane each second.

    Event 0 happens at ``start_ms``; every device says something each ``interval_s``. One reading of a meter in
    ``burst_every`` is a burst.
    """
    return list(_records(devices, events, partitions, first, start_ms, interval_s, burst_every))


def city_registry(devices: int, partitions: int = 1, *, start_ms: int = START_MS) -> list[NewRecord]:
    """An entry for every device, and for the person in every home with a presence sensor."""
    places = _places(devices, partitions)
    registered_ms = start_ms - 60_000
    out = []
    for number in range(devices):
        place, kind = places[number // DEVICES_PER_COMMUNITY], _kind(number)
        zone = ',"noise_zone":"2"' if kind == "noise" else ""
        data = (
            f'{{"change":"registered","device":"{_name(number)}","kind":"{kind}","site":"s{number // 20}",'
            f'"gateway":"gw{number // 100}"{zone}}}'
        )
        out.append(_record(place, Device, f"reg-{number}", registered_ms, _grid(number), "/registry", data))
        if kind == "presence":
            data = (
                f'{{"change":"registered","person":"{_person(number)}","category":"living_alone",'
                f'"home":"s{number // 20}","consent":true}}'
            )
            out.append(_record(place, Person, f"per-{number}", registered_ms, _grid(number), "/registry", data))
    return out


def closing_ticks(recorded_ms: int, partitions: int = 1) -> list[NewRecord]:
    """After these every lane has settled up to ``recorded_ms``."""
    return [tick_record(topic, partition, recorded_ms) for topic in DOMAIN_TOPICS for partition in range(partitions)]


def last_ms(records: Sequence[NewRecord]) -> int:
    """The greatest recorded time."""
    return max(record.recorded_time_ms or 0 for record in records)


def _records(
    devices: int, events: int, partitions: int, first: int, start_ms: int, interval_s: float, burst_every: int
) -> Iterator[NewRecord]:
    places = _places(devices, partitions)
    numbers = np.arange(first, first + events)
    due_ms = start_ms + (numbers * (interval_s * 1000.0 / devices)).astype(np.int64)
    values = np.random.default_rng(7).normal(0.0, 1.0, 4096)
    second = int(due_ms[0]) // _SECOND_MS
    for number, event_ms in zip(numbers.tolist(), due_ms.tolist(), strict=True):
        if event_ms // _SECOND_MS > second:
            second = event_ms // _SECOND_MS
            yield from closing_ticks(second * _SECOND_MS + DELAY_MS - 1, partitions)
        turn, device = divmod(number, devices)
        bursts = device // len(OF_TWENTY) % burst_every == turn % burst_every  # other meters each time
        yield _event(places, number, device, event_ms, float(values[number % 4096]), bursts)


def _event(places: list[_Place], number: int, device: int, event_ms: int, noise: float, bursts: bool) -> NewRecord:
    place, kind, name = places[device // DEVICES_PER_COMMUNITY], _kind(device), _name(device)
    scope, source = _grid(device), f"/iot/{place.key}/gw{device // 100}"
    if number % _SOS_EVERY == _SOS_EVERY - 1:
        return _record(place, Sos, f"e-{number}", event_ms, scope, source, f'{{"device":"{name}"}}')
    if kind == "noise":
        level = BURST_DB if bursts else 42.0 + 2.0 * noise
        data = f'{{"device":"{name}","quantity":"laeq","value":{level:.1f},"unit":"dB(A)","interval_s":{INTERVAL_S}}}'
        return _record(place, Measured, f"e-{number}", event_ms, scope, source, data)
    if kind == "climate":
        quantity, unit, usual = _QUANTITIES[device % len(_QUANTITIES)]
        data = f'{{"device":"{name}","quantity":"{quantity}","value":{usual * (1 + 0.01 * noise):.2f},"unit":"{unit}"}}'
        return _record(place, Measured, f"e-{number}", event_ms, scope, source, data)
    if kind == "wearable":
        data = f'{{"device":"{name}","battery_ratio":{0.5 + 0.1 * np.tanh(noise):.3f},"rssi_dbm":{-80 + noise:.1f}}}'
        return _record(place, Heartbeat, f"e-{number}", event_ms, scope, source, data)
    if kind == "presence":
        data = f'{{"device":"{name}","signal":"infrared","person":"{_person(device)}"}}'
        return _record(place, Presence, f"e-{number}", event_ms, scope, source, data)
    data = f'{{"gate":"{name}","kind":"person","direction":"{"in" if noise > 0 else "out"}","method":"card"}}'
    return _record(place, Passage, f"e-{number}", event_ms, scope, source, data)


_Said = type[Measured] | type[Heartbeat] | type[Presence] | type[Passage] | type[Sos] | type[Device] | type[Person]


def _record(place: _Place, said: _Said, event_id: str, event_ms: int, grid: str, source: str, data: str) -> NewRecord:
    recorded_ms = event_ms + DELAY_MS
    value = (
        f'{{"specversion":"1.0","id":"{event_id}","source":"{source}","type":"{said.type_name}.v{said.version}",'
        f'"time":"{_rfc3339(event_ms)}","recordedtime":"{_rfc3339(recorded_ms)}","scope":"{place.scope}/{grid}",'
        f'"partitionkey":"{place.scope}","data":{data}}}'
    )
    return NewRecord(topic_of(said.family), place.partition, place.scope.encode(), value.encode(), (), recorded_ms)


def _rfc3339(time_ms: int) -> str:
    return f"{_second(time_ms // 1000)}.{time_ms % 1000:03d}Z"


@lru_cache(maxsize=16)
def _second(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _places(devices: int, partitions: int) -> list[_Place]:
    """Communities, as many in each partition: a city has thousands; as few as here would make lanes unequal."""
    wanted = -(-devices // DEVICES_PER_COMMUNITY)
    room = [-(-wanted // partitions)] * partitions
    places: list[_Place] = []
    for number in count():
        if len(places) == wanted:
            break
        scope = f"wuhu/d{number % 8}/s{number % 64}/c{number:04d}"
        partition = partition_of(scope.encode(), partitions)
        if room[partition]:
            room[partition] -= 1
            places.append(_Place(scope, f"c{number:04d}", partition))
    return places


def _kind(device: int) -> str:
    return OF_TWENTY[device % len(OF_TWENTY)]


def _name(device: int) -> str:
    return f"c{device // DEVICES_PER_COMMUNITY:04d}-{_kind(device)}-{device:07d}"


def _person(device: int) -> str:
    return f"p-{device:010x}"


def _grid(device: int) -> str:
    return f"g{device % 4:02d}"
