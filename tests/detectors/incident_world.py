"""A lane whose only detector says what rows tell it to, and the words of people, to try the incident operator on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from detectors.contract import Emitted
from detectors.incident_params import IncidentParams
from detectors.incidents import Incidents
from detectors.lane import LaneOperator
from detectors.rows import event_id_at, rows_of
from schemas.columns import EventBatch
from schemas.families.system import Alert, Detection
from tests.detectors.batches import SCOPE, Say, cut

FINDING = "cn.gridpulse.vision.finding"
GATEWAY = "device_offline/gateway_silent/gw"
DETECTORS = {"silent": "device_offline", "gateway_silent": "device_offline", "unusual_hour": "irregular_movement"}


def noticed(at_ms: int, subject: str = "m1", rule: str = "over_limit", severity: str = "warning", active: bool = True,
            **more: Any) -> Say:  # fmt: skip
    """What the detector is to say."""
    return Say(at_ms, "vision.finding", {"camera": subject, "kind": f"{rule} {severity} {active}"}, **more)


def act(at_ms: int, alert: str, action: str, actor: str = "duty-zhang", **more: Any) -> Say:
    """A person does something about an alert."""
    envelope = {name: more.pop(name) for name in ("scope", "id", "event_ms") if name in more}
    return Say(at_ms, "civic.alert_action", {"alert": alert, "action": action, "actor": actor, **more}, **envelope)


def silence(at_ms: int, starts_ms: int, ends_ms: int, name: str = "sil-1", **more: Any) -> Say:
    """A person wants it quiet."""
    envelope = {key: more.pop(key) for key in ("scope", "id", "event_ms") if key in more}
    data = {
        "silence": name, "kind": "silence", "silenced_scope": SCOPE, "starts_time_ms": starts_ms,
        "ends_time_ms": ends_ms, "actor": "duty-zhang", "status": "active", **more,
    }  # fmt: skip
    return Say(at_ms, "civic.alert_silence", data, **envelope)


class Scripted:
    """Says what its rows tell it to; what is ``silent`` has the gateway's alert as its cause."""

    name: ClassVar[str] = "scripted"
    state_version: ClassVar[int] = 1
    model_version = "scripted-1"

    def process(self, batch: EventBatch) -> list[Emitted]:
        out = []
        for position, now_ms, event_ms, _, scope, subject, kind in rows_of(batch, [(FINDING, 0, ("camera", "kind"))]):
            rule, severity, active = kind.split(" ")
            fields: dict[str, Any] = {"detector": DETECTORS.get(rule, "noise_limit"), "severity": severity}
            data = Detection(
                **fields, rule=rule, subject=subject, active=active == "True", score=3.0, threshold=1.0,
                model_version="scripted-1", reason_zh="异常。", reason_en="Odd.", cause_id=event_id_at(batch, position),
                detected_time_ms=now_ms,
            )  # fmt: skip
            causes = (GATEWAY,) if rule == "silent" else ()
            out.append(Emitted(now_ms, False, position, scope, event_ms, data, causes))
        return out

    def snapshot(self) -> bytes:
        return b""

    def restore(self, saved: bytes) -> None:
        assert saved == b""


def lane_of(params: IncidentParams) -> LaneOperator:
    return LaneOperator((Scripted(),), Incidents(params))


def steps_of(out: Iterable[Emitted]) -> list[Alert]:
    return [one.data for one in out if isinstance(one.data, Alert)]


def said_by(lane: LaneOperator, batch: EventBatch) -> list[Emitted]:
    """What the lane says; rows' places within a batch are not content."""
    return [replace(one, position=0) for one in lane.process(batch)]


def run(rows: Sequence[Say], params: IncidentParams | None = None, size: int = 1) -> list[Alert]:
    """The alert steps that rows lead to."""
    lane = lane_of(params or IncidentParams())
    return steps_of(one for batch in cut(rows, size) for one in lane.process(batch))


def in_short(steps: Iterable[Alert]) -> list[tuple[str, str]]:
    """(subject, step) of each."""
    return [(one.subject, one.step) for one in steps]
