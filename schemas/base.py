"""How an event type is declared: a pydantic model of its data, with name, version, family and metrics-friendly fields.

The wire name is ``cn.gridpulse.<family>.<fact>.v<version>``; the *type name* without the version names the fact for
ever. Models are flat (scalars only), so that a batch of them is a table. A field's description is what analysts read
in ClickHouse and in ``docs/events.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

TYPE_PREFIX = "cn.gridpulse."
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

    @property
    def latest(self) -> type[EventData]:
        return self.models[-1]

    @property
    def version(self) -> int:
        return len(self.models)

    @property
    def wire_name(self) -> str:
        return f"{self.name}.v{self.version}"
