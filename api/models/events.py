"""Answers to events sent in."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.models.common import Out


class EventResult(Out):
    """What became of one event."""

    id: str | None = Field(description="事件的 id,读不出为 null the event's id; null: could not be read")
    source: str | None = Field(description="事件的 source the event's source")
    status: Literal["accepted", "duplicate", "rejected"] = Field(description="接收、重复或拒绝")
    reason: str | None = Field(description="拒绝原因代码 reason code, when rejected")
    detail: str | None = Field(description="何处有误、允许什么 what is wrong and what is allowed")


class EventsAnswer(Out):
    """Answers in the order of the events. What was accepted or is a duplicate is durable in the log."""

    accepted: int
    duplicate: int
    rejected: int
    results: list[EventResult]
