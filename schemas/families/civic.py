"""网格事务 Civic work: cases, repairs, volunteers, waste, parking, health huts."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.base import DAY_S, EventData, EventType, with_lateness
from schemas.families.fields import CaseStep, PersonRef, Ref


class Case(EventData):
    """A grid case (or, with ``service`` repair, a property repair) moved one step."""

    type_name: ClassVar[str] = "cn.gridpulse.civic.case"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "civic"

    case: Ref = Field(description="the case")
    service: Literal["grid", "repair"] = Field(description="grid case or property repair")
    kind: Ref = Field(description="kind of case")
    step: CaseStep = Field(description="the step reached")
    deadline_h: float | None = Field(None, gt=0.0, le=8760.0, description="hours allowed from report to close")
    rating: int | None = Field(None, ge=1, le=5, description="stars, at step rated")
    alert: Ref | None = Field(None, description="the alert it came from")


class Volunteering(EventData):
    """Volunteer hours and points were booked."""

    type_name: ClassVar[str] = "cn.gridpulse.civic.volunteering"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "civic"

    person: PersonRef = Field(description="pseudonym of the volunteer")
    activity: Ref = Field(description="what was done")
    hours: float = Field(ge=0.0, le=24.0, description="hours")
    points: int = Field(ge=-100_000, le=100_000, description="points")


class WasteDeposit(EventData):
    """Waste was put in, rightly or wrongly sorted."""

    type_name: ClassVar[str] = "cn.gridpulse.civic.waste_deposit"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "civic"

    station: Ref = Field(description="the waste station")
    kind: Literal["kitchen", "recyclable", "hazardous", "other"] = Field(description="kind of waste")
    correct: bool = Field(description="rightly sorted")
    mass_kg: float | None = Field(None, ge=0.0, le=10_000.0, description="mass, kg")
    person: PersonRef | None = Field(None, description="pseudonym of the household")


class Parking(EventData):
    """A parking bay was taken or freed."""

    type_name: ClassVar[str] = "cn.gridpulse.civic.parking"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "civic"

    lot: Ref = Field(description="the parking lot")
    bay: Ref = Field(description="the bay")
    state: Literal["occupied", "free"] = Field(description="its state from now on")
    stay_min: float | None = Field(None, ge=0.0, le=5_256_000.0, description="minutes stayed, when freed")
    fee_cny: float | None = Field(None, ge=0.0, le=1_000_000.0, description="fee, yuan, when freed")


class HealthMeasurement(EventData):
    """A person was measured at a health hut."""

    type_name: ClassVar[str] = "cn.gridpulse.civic.health_measurement"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "civic"

    hut: Ref = Field(description="the health hut")
    kind: Literal["systolic", "diastolic", "glucose", "bmi", "spo2"] = Field(description="what was measured")
    value: float = Field(ge=0.0, le=1000.0, description="mmHg, mmol/L, kg/m2 or percent, by kind")
    person: PersonRef = Field(description="pseudonym of the person")


# Much of it is typed in by people, from paper, and after a weekend.
EVENT_TYPES = with_lateness(
    7 * DAY_S,
    EventType(Case.type_name, "civic", "网格事件与报修", "cases and repairs", "civic_cases", (Case,)),
    EventType(Volunteering.type_name, "civic", "志愿服务", "volunteering", "volunteering", (Volunteering,)),
    EventType(WasteDeposit.type_name, "civic", "垃圾投放", "waste deposits", "waste_deposits", (WasteDeposit,)),
    EventType(Parking.type_name, "civic", "停车", "parking", "parking", (Parking,)),
    EventType(
        HealthMeasurement.type_name, "civic", "健康小屋", "health hut", "health_measurements", (HealthMeasurement,)
    ),
)
