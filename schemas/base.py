"""How an event type is declared: a pydantic model of its data, with name, version, family and metrics-friendly fields.

The wire name is ``cn.gridpulse.<family>.<fact>.v<version>``; the *type name* without the version names the fact for
ever. Models are flat (scalars only), so that a batch of them is a table. A field's description is what analysts read
in ClickHouse and in ``docs/events.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

TYPE_PREFIX = "cn.gridpulse."
DAY_S = 86_400
HISTORY_SOURCE_PREFIX = "//import/"
"""Sources of recorded series: their events come when somebody imports them, so none of them is late."""
JsonObject = dict[str, Any]
Upcaster = Callable[[JsonObject], JsonObject]


class EventData(BaseModel):
    """Base of all event data: frozen, closed (unknown fields are errors), finite numbers, strict types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    type_name: ClassVar[str]  # e.g. "cn.gridpulse.readings.measured"
    version: ClassVar[int]
    family: ClassVar[str]


@dataclass(frozen=True, slots=True)
class EventType:
    """One type with all its versions: ``models[-1]`` is the latest, ``upcasters[i]`` turns version i+1 into i+2."""

    name: str
    family: str
    title_zh: str
    title_en: str
    table: str  # the ClickHouse table of this type
    models: tuple[type[EventData], ...]
    upcasters: tuple[Upcaster, ...] = ()
    allowed_lateness_s: int | None = 2 * DAY_S
    """How long after it happened an event may be recorded and still correct its minute and hour; None: for ever.

    Two days: an outage over a night and a day, and a device that then empties its buffer.
    """

    @property
    def latest(self) -> type[EventData]:
        return self.models[-1]

    @property
    def version(self) -> int:
        return len(self.models)

    @property
    def wire_name(self) -> str:
        return f"{self.name}.v{self.version}"

    def is_late(self, source: str, event_time_ms: int, recorded_time_ms: int) -> bool:
        """Whether a record came too late for minutes and hours: it counts in its day only. A function of the record."""
        if self.allowed_lateness_s is None or source.startswith(HISTORY_SOURCE_PREFIX):
            return False
        return recorded_time_ms - event_time_ms > self.allowed_lateness_s * 1000


def with_lateness(allowed_lateness_s: int | None, *event_types: EventType) -> tuple[EventType, ...]:
    """The types with another :attr:`EventType.allowed_lateness_s` than the default."""
    return tuple(replace(event_type, allowed_lateness_s=allowed_lateness_s) for event_type in event_types)
