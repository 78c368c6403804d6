"""感知 Sensor readings: what devices measure, that they are alive, and presence in a home."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from schemas.base import EventData, EventType, JsonObject
from schemas.families.fields import PersonRef, RatioValue, Ref

# quantity -> (unit, lowest, highest possible value): a value outside is impossible, not alarming.
QUANTITIES: dict[str, tuple[str, float, float]] = {
    "laeq": ("dB(A)", 0.0, 160.0),  # equivalent level over interval_s
    "lamax": ("dB(A)", 0.0, 160.0),  # highest level within interval_s
    "smoke": ("%/m", 0.0, 100.0),  # obscuration
    "gas": ("%LEL", 0.0, 100.0),
    "temperature": ("Cel", -60.0, 1000.0),
    "humidity": ("%", 0.0, 100.0),
    "pm2_5": ("ug/m3", 0.0, 10_000.0),
    "pm10": ("ug/m3", 0.0, 10_000.0),
    "current": ("A", 0.0, 10_000.0),
    "voltage": ("V", 0.0, 100_000.0),
    "power": ("W", 0.0, 10_000_000.0),
    "pressure": ("kPa", -101.325, 10_000.0),
    "tilt": ("deg", -180.0, 180.0),
    "level": ("m", -100.0, 1000.0),
    "water_flow": ("L/s", 0.0, 100_000.0),
    "heart_rate": ("/min", 0.0, 300.0),
    "traffic": ("/min", 0.0, 1_000_000.0),
    "ratio": ("1", -1_000_000.0, 1_000_000.0),
    "value": ("1", -1e12, 1e12),  # a series of unknown meaning, for imports
}
Quantity = Literal[
    "laeq", "lamax", "smoke", "gas", "temperature", "humidity", "pm2_5", "pm10", "current", "voltage", "power",
    "pressure", "tilt", "level", "water_flow", "heart_rate", "traffic", "ratio", "value",
]  # fmt: skip


class HeartbeatV1(EventData):
    """A device is alive (first version: battery in percent)."""

    type_name: ClassVar[str] = "cn.gridpulse.readings.heartbeat"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "readings"

    device: Ref = Field(description="the device")
    battery_percent: float | None = Field(None, ge=0.0, le=100.0, description="charge left, percent")


class Heartbeat(EventData):
    """A device is alive."""

    type_name: ClassVar[str] = "cn.gridpulse.readings.heartbeat"
    version: ClassVar[int] = 2
    family: ClassVar[str] = "readings"

    device: Ref = Field(description="the device")
    battery_ratio: RatioValue | None = Field(None, description="charge left, 0 to 1")
    rssi_dbm: float | None = Field(None, ge=-150.0, le=20.0, description="received signal strength, dBm")


def heartbeat_1_to_2(data: JsonObject) -> JsonObject:
    """Percent becomes ratio; signal strength was not reported."""
    percent = data.get("battery_percent")
    return {"device": data["device"], "battery_ratio": None if percent is None else percent / 100.0}


class Measured(EventData):
    """A device measured one quantity. ``event time`` is the end of the interval it was measured over."""

    type_name: ClassVar[str] = "cn.gridpulse.readings.measured"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "readings"

    device: Ref = Field(description="the device")
    quantity: Quantity = Field(description="what was measured")
    value: float = Field(description="the value, in the quantity's unit")
    unit: str = Field(min_length=1, max_length=16, description="the quantity's unit, UCUM where it has a code")
    interval_s: float | None = Field(None, gt=0.0, le=86_400.0, description="averaging interval, seconds")

    @model_validator(mode="after")
    def _in_unit_and_range(self) -> Measured:
        unit, lowest, highest = QUANTITIES[self.quantity]
        if self.unit != unit:
            raise ValueError(f"wrong_unit: {self.quantity} is measured in {unit}, not {self.unit}")
        if not lowest <= self.value <= highest:
            raise ValueError(f"impossible_value: {self.quantity} lies between {lowest} and {highest} {unit}")
        return self


class Presence(EventData):
    """Activity in a home or shop: infrared, door magnet, water, power."""

    type_name: ClassVar[str] = "cn.gridpulse.readings.presence"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "readings"

    device: Ref = Field(description="the device")
    signal: Literal["infrared", "door_open", "door_close", "water", "power"] = Field(description="kind of activity")
    person: PersonRef | None = Field(None, description="pseudonym of the person who lives there, where known")


class Sos(EventData):
    """Somebody pressed the emergency button."""

    type_name: ClassVar[str] = "cn.gridpulse.readings.sos"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "readings"

    device: Ref = Field(description="the device")
    person: PersonRef | None = Field(None, description="pseudonym of the wearer")


EVENT_TYPES = (
    EventType(
        Heartbeat.type_name, "readings", "设备心跳", "heartbeats", "heartbeats", (HeartbeatV1, Heartbeat),
        (heartbeat_1_to_2,),
    ),
    EventType(Measured.type_name, "readings", "传感读数", "sensor readings", "readings", (Measured,)),
    EventType(Presence.type_name, "readings", "居家活动", "presence at home", "presence", (Presence,)),
    EventType(Sos.type_name, "readings", "紧急求助", "SOS calls", "sos_calls", (Sos,)),
)  # fmt: skip
