"""Messages of the live stream as lines for people: one per alert step, Chinese first."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from rich.text import Text

from gridpulse.following import LiveMessage
from streams.webhooks.notices import OVER_STEPS, SEVERITY_WORDS, STEP_WORDS

_SEVERITIES: Final = {str(name): words for name, words in SEVERITY_WORDS.items()}
_STEPS: Final = {str(name): words for name, words in STEP_WORDS.items()}
_STYLES: Final = {"info": "cyan", "warning": "yellow", "critical": "bold red"}


def line_of(message: LiveMessage, zone: ZoneInfo) -> Text | None:
    """The line of an alert step or a metric; None for what is not shown."""
    value = orjson.loads(message.data)
    if message.event == "alert":
        return _alert(value, zone)
    if message.event == "metric":
        return _metric(value)
    return None


def _alert(event: dict[str, Any], zone: ZoneInfo) -> Text:
    data = event["data"]
    severity, step = str(data["severity"]), str(data["step"])
    severity_zh, severity_en = _SEVERITIES.get(severity, (severity, severity))
    step_zh, step_en = _STEPS.get(step, (step, step))
    style = "green" if step in OVER_STEPS else _STYLES.get(severity, "")
    at = datetime.fromisoformat(event["time"]).astimezone(zone)
    return Text.assemble(
        (f"{at:%m-%d %H:%M:%S} ", "dim"),
        (f"{severity_zh} {step_zh} ", style),
        (f"{severity_en}, {step_en} ", "dim"),
        (_plain(f"{data['detector']}/{data['rule']} {data['subject']} "), "bold"),
        (_plain(f"{event['scope']} "), "dim"),
        _plain(str(data["reason_zh"])),
        (_plain(f" · {data['reason_en']}"), "dim"),
    )


def _metric(answer: dict[str, Any]) -> Text:
    points = [point for series in answer["series"] for point in series["points"] if point["value"] is not None]
    latest = f"{points[-1]['value']:g} {answer['unit']}" if points else "–"
    return Text.assemble(
        (f"{answer['title_zh']} ", "cyan"), (f"{answer['title_en']} ", "dim"), latest,
        (f" {answer['scope'] or '*'}", "dim"),
    )  # fmt: skip


def reset_line(message: LiveMessage) -> str:
    """Something was missed; what to do."""
    value = orjson.loads(message.data)
    return f"{value['detail']} · {value['detail_en']}"


def _plain(text: str) -> str:
    """On one line, and nothing that a terminal would obey: it may come from outside."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
