"""网格事务 Civic work: cases, repairs, what people do about alerts, volunteers, waste, parking, health huts."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.base import DAY_S, EventData, EventType, with_lateness
from schemas.families.fields import CaseStep, PersonRef, Ref, ShortText, SilenceKind, Verdict


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


class AlertAction(EventData):
    """A person did something about an alert. It must be said at the alert's scope or above, else it is ignored."""

    type_name: ClassVar[str] = "cn.gridpulse.civic.alert_action"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "civic"

    alert: Ref = Field(description="the alert")
    action: Literal["acknowledge", "assign", "comment", "resolve", "close", "verdict", "report_case"] = Field(
        description="what was done"
    )
    actor: ShortText = Field(description="who did it: a pseudonym or the name of a key")
    assignee: ShortText | None = Field(None, description="who is to see to it, at assign")
    comment: str | None = Field(None, max_length=500, description="why, or what was found")
    verdict: Verdict | None = Field(None, description="what was found, at verdict")
    case: Ref | None = Field(None, description="the grid case, at report_case")


class AlertSilence(EventData):
    """Alerts that match are kept quiet from its start to its end: a silence, maintenance or a power cut.

    The whole silence each time it changes; it is said once in every partition, so that every lane knows it. It
    silences nothing outside the scope of its own event.
    """

    type_name: ClassVar[str] = "cn.gridpulse.civic.alert_silence"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "civic"

    silence: Ref = Field(description="the silence")
    kind: SilenceKind = Field(description="why it is quiet")
    silenced_scope: str = Field(
        min_length=1, max_length=200, pattern=r"^[a-z0-9_-][a-z0-9_/-]*$", description="the subtree that is silenced"
    )
    detector: str | None = Field(None, max_length=64, description="only this detector's alerts")
    rule: str | None = Field(None, max_length=64, description="only this rule's alerts")
    subject: str | None = Field(None, max_length=128, description="only alerts about this")
    starts_time_ms: int = Field(description="from when on, epoch ms")
    ends_time_ms: int = Field(description="until when, epoch ms")
    actor: ShortText = Field(description="who wants it quiet")
    comment: str | None = Field(None, max_length=500, description="why")
    status: Literal["active", "lifted"] = Field(description="lifted: it ends at once")


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
    EventType(AlertAction.type_name, "civic", "告警处置", "actions on alerts", "alert_actions", (AlertAction,)),
    EventType(AlertSilence.type_name, "civic", "告警静默", "alert silences", "alert_silences", (AlertSilence,)),
)
