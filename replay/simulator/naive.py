"""What one would write first: fixed thresholds, the same for all. It does badly, which shows that the district is real.

* offline: nothing heard for three times a nominal ten minutes;
* noise: a single LAeq reading above the limit of its zone;
* persons: seen anywhere but at home between ten at night and six in the morning.

One alert per subject at a time, closed by the first sign to the contrary.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import orjson

from detectors.gb3096 import LIMITS_DB
from replay.simulator.chance import MINUTE_MS, hour_of_day
from replay.simulator.score import ScoredAlert
from schemas.records import NewRecord
from schemas.times import parse_rfc3339_ms

SILENT_AFTER_MS = 30 * MINUTE_MS


class NaiveDetector:
    """Fixed thresholds over records in recorded order."""

    def __init__(self) -> None:
        self.alerts: list[ScoredAlert] = []
        self._heard_ms: dict[str, int] = {}
        self._limits: dict[str, tuple[float, float]] = {}
        self._homes: dict[str, str] = {}
        self._open: set[tuple[str, str]] = set()

    def process(self, records: Iterable[NewRecord]) -> None:
        """Take records in; what was noticed is in :attr:`alerts`."""
        latest_ms = 0
        for record in records:
            latest_ms = max(latest_ms, record.recorded_time_ms or 0)
            try:
                event = orjson.loads(record.value)
            except orjson.JSONDecodeError:
                continue
            self._take(event, latest_ms)
        for device, heard_ms in self._heard_ms.items():
            silent = latest_ms - heard_ms > SILENT_AFTER_MS
            self._say("device_offline", "fixed_interval", device, heard_ms + SILENT_AFTER_MS, silent)

    def _take(self, event: dict[str, object], recorded_ms: int) -> None:
        kind, data = str(event.get("type", "")), event.get("data")
        if not isinstance(data, dict) or "/faulty/" in str(event.get("source")):
            return
        if kind.startswith("cn.gridpulse.registry.device."):
            self._limits[data["device"]] = LIMITS_DB[data.get("noise_zone", "2")]
        elif kind.startswith("cn.gridpulse.registry.person."):
            self._homes[data["person"]] = data["home"]
        elif kind.startswith("cn.gridpulse.readings."):
            self._heard(data["device"], recorded_ms)
        if data.get("quantity") == "laeq":
            self._noise(data["device"], float(data["value"]), parse_rfc3339_ms(str(event["time"])))
        elif data.get("person") in self._homes and kind.startswith(
            ("cn.gridpulse.positions.", "cn.gridpulse.passages.")
        ):
            home = data.get("place") == self._homes[data["person"]] or data.get("direction") == "in"
            time_ms = parse_rfc3339_ms(str(event["time"]))
            self._say("irregular_movement", "night", data["person"], time_ms, not home and _is_night(time_ms))

    def _heard(self, device: str, recorded_ms: int) -> None:
        before_ms = self._heard_ms.get(device)
        if before_ms is not None and recorded_ms - before_ms > SILENT_AFTER_MS:
            self._say("device_offline", "fixed_interval", device, before_ms + SILENT_AFTER_MS, True)
        self._say("device_offline", "fixed_interval", device, recorded_ms, False)
        self._heard_ms[device] = recorded_ms

    def _noise(self, device: str, level_db: float, time_ms: int) -> None:
        by_day, by_night = self._limits.get(device, LIMITS_DB["2"])
        limit = by_night if _is_night(time_ms) else by_day
        self._say("noise_limit", "single_reading", device, time_ms, level_db > limit)

    def _say(self, detector: str, rule: str, subject: str, time_ms: int, wrong: bool) -> None:
        key = (detector, subject)
        if not wrong:
            self._open.discard(key)
        elif key not in self._open:
            self._open.add(key)
            self.alerts.append(ScoredAlert(detector, rule, subject, time_ms))


def _is_night(time_ms: int) -> bool:
    hour = float(hour_of_day(np.asarray([time_ms], dtype=np.int64))[0])
    return hour < 6.0 or hour >= 22.0
