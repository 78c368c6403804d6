"""What a district consists of: communities, sites, devices, persons under care with their habits. Values only."""

from __future__ import annotations

from dataclasses import dataclass

NEVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class Community:
    """One community; ``scope`` is its path, ``grids`` the paths of its grids."""

    index: int
    name: str
    title: str
    scope: str
    grids: tuple[str, ...]
    grid_titles: tuple[str, ...]
    residents: int


@dataclass(frozen=True, slots=True)
class Site:
    """A place. ``title`` only for public places."""

    name: str
    kind: str
    scope: str
    community: int
    parent: str | None = None
    title: str | None = None
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A device and its manner of reporting."""

    index: int
    name: str
    kind: str
    site: str
    scope: str
    community: int
    gateway: str | None
    source: str
    heartbeat_s: float
    report_s: float | None  # interval of its readings, None when it only reacts to what happens
    phase_ms: int
    skew_ms: int  # its clock minus the true time
    battery_days: float | None  # from full to empty, None on mains
    old_firmware: bool  # sends version 1 heartbeats
    noise_zone: str | None = None
    person: str | None = None
    born_ms: int = -NEVER_MS
    retired_ms: int = NEVER_MS
    model: str = "GP-1"

    @property
    def shortest_interval_s(self) -> float:
        """How often it is heard at least, when all is well."""
        return self.heartbeat_s if self.report_s is None else min(self.heartbeat_s, self.report_s)


@dataclass(frozen=True, slots=True)
class Habit:
    """One regular outing. ``routes`` are taken in turn, one per day."""

    depart_h: float
    depart_sd_h: float
    stay_h: float
    weekdays: frozenset[int]
    routes: tuple[tuple[str, ...], ...]
    skip_ratio: float


@dataclass(frozen=True, slots=True)
class CarePerson:
    """A person under care: home, what watches over the person, and habits. Device fields are device numbers."""

    index: int
    name: str
    category: str
    consent: bool
    home: str
    scope: str
    community: int
    gate: int  # number of the gate device
    bracelet: int | None
    infrared: int | None
    door: int | None
    wake_h: float
    sleep_h: float
    liveliness: float  # movements per waking hour
    habits: tuple[Habit, ...]
