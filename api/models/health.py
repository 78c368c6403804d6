"""Answers about health."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.models.common import Out


class HealthOut(Out):
    status: Literal["ok"]


class CheckOut(Out):
    ok: bool
    detail: str | None = Field(description="不正常的原因 what is wrong")


class ReadinessOut(Out):
    ready: bool
    log: CheckOut
    store: CheckOut
    migrations: CheckOut
