"""Answers about metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.models.common import Fresh, Out


class MetricOut(Out):
    """One declared metric."""

    name: str
    title_zh: str
    title_en: str
    unit: str = Field(description="单位(UCUM) UCUM where it has a code")
    aggregate: Literal["count", "sum", "mean", "min", "max", "energy_mean", "uniq"]
    gap: Literal["zero", "null"] = Field(description="无事件窗口的取值 what a window without events shows")
    dimensions: list[str] = Field(description="可用于 by 的维度,另可用 scope what by may be, besides scope")


class MetricsOut(Fresh):
    metrics: list[MetricOut]


class PointOut(Out):
    window_start: datetime
    value: float | None


class SeriesOut(Out):
    key: str | None = Field(description="by 的取值,无 by 时为 null value of by; null without it")
    points: list[PointOut]


class MetricSeriesOut(Fresh):
    """A metric over whole windows."""

    metric: str
    title_zh: str
    title_en: str
    unit: str
    aggregate: str
    gap: str
    scope: str = Field(description="空为全部 empty: everything")
    grain: Literal["minute", "hour", "day"]
    timezone: str
    by: str | None
    from_time: datetime = Field(description="首个窗口的开始 start of the first window: from, widened to whole windows")
    to_time: datetime = Field(description="末个窗口的结束 end of the last window: to, widened to whole windows")
    series: list[SeriesOut]
