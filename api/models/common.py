"""What every answer says besides its content: how fresh it is."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from api.freshness import FreshnessNow


class Out(BaseModel):
    """Base of all answers' parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fresh(Out):
    """Base of all answers."""

    as_of: datetime | None = Field(
        description="至此时刻前记录的事件均已可查 everything recorded up to then is in this answer; null: nothing yet"
    )
    lag_events: int | None = Field(description="尚不可查的记录数 records not yet queryable; null: unknown")
    lag_s: float | None = Field(description="落后的日志时间(秒) log time not yet queryable, seconds; null: unknown")


class Page(Fresh):
    """Base of lists."""

    next_cursor: str | None = Field(description="下一页游标,末页为 null cursor of the next page; null on the last one")


def fresh(freshness: FreshnessNow, zone: ZoneInfo) -> dict[str, Any]:
    """The fields of :class:`Fresh`."""
    as_of = freshness.as_of.astimezone(zone) if freshness.as_of else None
    return {"as_of": as_of, "lag_events": freshness.lag_events, "lag_s": freshness.lag_s}


def fields_in_zone(row: Any, zone: ZoneInfo) -> dict[str, Any]:
    """A row's fields with its times in ``zone``."""
    return {
        field.name: value.astimezone(zone) if isinstance(value := getattr(row, field.name), datetime) else value
        for field in dataclasses.fields(row)
    }
