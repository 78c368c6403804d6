"""Detections become alerts: at most one open alert per ``detector/rule/subject``, with its whole life as steps.

* The first active detection opens it; further ones are counted, and said (``updated``) when the severity changes, when
  the count reaches a power of two, or when 10 min have passed since the last thing said. The severity rises at once;
  it falls when nothing graver was noticed for ``severity_fall_min``.
* It ends with the detection that says it is over (``active`` false), if that holds for the rule's ``clear_after_min``;
  rules that have no natural end, when long enough without another detection; or when a person resolves or closes it.
  Its end is told as loudly as anything before: with the gravest severity it had, and even when it is silenced by then,
  if it was not always; so nobody who heard of it waits for its end in vain.
* An alert that ended ``flap_cycles`` times within ``flap_min`` and opens again is ``unstable``: one alert, open until
  nothing has come or gone for ``flap_min``.
* People acknowledge, assign, comment, judge, report and close (:mod:`detectors.incident_people`), also for a while
  after it ended. Until somebody acknowledges, it is ``reminded`` of and ``escalated``.
* What is silenced (:mod:`detectors.incident_silences`), or has a cause that is open itself (a gateway's devices), is
  tracked and said with ``silenced``; so is one that opens because a device saw nothing that was offline by then
  (a home's sensor), until the device is back. Alerts that open together can fold under one
  (:mod:`detectors.incident_groups`).

Times in an alert are event times; all waiting is on log time. A detection repeated with the same cause is ignored.
Outputs are a function of what is fed in, in order: see the lane. State: open alerts, the latest that ended, silences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from detectors import incident_text as text
from detectors.contract import Emitted, derived_id
from detectors.incident_alert import AlertState, Moment, Silencer, said
from detectors.incident_book import AlertBook
from detectors.incident_groups import Groups
from detectors.incident_params import IncidentParams, ms_by_name, plans
from detectors.incident_people import PersonSaid, may_be_taken, taken
from detectors.incident_silences import Silences
from detectors.state import model_version, pack, unpack
from detectors.timers import TimerHeap
from schemas.families.civic import AlertAction, AlertSilence
from schemas.families.system import GRAVITY, Detection, DeviceStatus

_NAME = "incidents"
_STATE_VERSION = 3
_CODE_VERSION = 3
_MINUTE_MS = 60_000

# Timers: a letter, a colon, and the alert's key or the silence.
_QUIET, _CLEAR, _STEADY, _FALL, _UNANSWERED, _GROWN, _CYCLES, _START, _END = "qcufegxst"


class Incidents:
    """Alerts of one lane. Feed it what is noticed and said in order; ask for what is due before each."""

    def __init__(self, params: IncidentParams | None = None) -> None:
        self.params = params = params or IncidentParams()
        self._quiet_ms = ms_by_name(params.quiet_min)
        self._clear_ms = ms_by_name(params.clear_after_min)
        self._group_ms = ms_by_name(params.group_wait_s, 1000)
        self._plans = plans(params)
        self._flap_ms = int(params.flap_min * _MINUTE_MS)
        self._book = AlertBook(params.keep_ended_days, params.keep_ended_max)
        self._cycles: dict[str, tuple[int, ...]] = {}  # key -> log times of its latest ends
        self._silences = Silences()
        self._groups = Groups()
        self._timers = TimerHeap()

    @property
    def version(self) -> str:
        """Of the state, the code and the parameters."""
        return f"state {_STATE_VERSION}, {model_version(_NAME, _CODE_VERSION, self.params)}"

    def __len__(self) -> int:
        return len(self._book.open)

    def snapshot(self) -> bytes:
        """The whole state."""
        parts = (self._book.saved(), self._cycles, self._silences.saved(), self._groups, self._timers.saved())
        return pack(_NAME, _STATE_VERSION, parts)

    def restore(self, saved: bytes) -> None:
        """Replace the state. :raises StateVersionError: of another version."""
        book, self._cycles, silences, self._groups, timers = unpack(_NAME, _STATE_VERSION, saved)
        self._book.load(book)
        self._silences, self._timers = Silences(silences), TimerHeap(timers)

    # -- what comes in -----------------------------------------------------------------------------------------------
    def take(self, emitted: Emitted) -> list[Emitted]:
        """What a detection does to its alert, and a device's status to alerts that rely on it."""
        detection = emitted.data
        at = Moment(emitted.detected_ms, emitted.from_timer, emitted.position)
        if isinstance(detection, DeviceStatus):
            return self._changed(detection, at)
        if not isinstance(detection, Detection):
            return []
        key = f"{detection.detector}/{detection.rule}/{detection.subject}"
        alert = self._book.open.get(key)
        if not detection.active:
            return [] if alert is None else self._cleared(alert, detection, emitted.event_time_ms, at)
        if (quiet_ms := self._quiet_ms.get(detection.rule)) is not None:
            self._timers.schedule(f"{_QUIET}:{key}", at.detected_ms + quiet_ms)
        if alert is None:
            return self._opened(key, detection, emitted, at)
        if detection.cause_id == alert.last.cause_id:
            return []
        return self._counted(alert, detection, emitted, at)

    def heed(self, spoken: PersonSaid) -> list[Emitted]:
        """What a person's word does."""
        at = Moment(spoken.detected_ms, False, spoken.position)
        if isinstance(spoken.data, AlertSilence):
            return self._silence(spoken, spoken.data, at)
        return self._act(spoken, spoken.data, at)

    def due(self, clock_ms: int) -> list[Emitted]:
        """What time alone brings, strictly before ``clock_ms``."""
        if self._timers.next_ms >= clock_ms:
            return []
        return [step for due_ms, timer in self._timers.due(clock_ms) for step in self._fire(timer, Moment(due_ms))]

    def _fire(self, timer: str, at: Moment) -> list[Emitted]:
        kind, name = timer[0], timer[2:]
        if kind == _CYCLES:
            del self._cycles[name]
            return []
        if kind in (_START, _END):
            (self._silences.start if kind == _START else self._silences.end)(name)
            return self._review_all(at)
        return self._WHEN_DUE[kind](self, self._book.open[name], at)

    # -- open and count ----------------------------------------------------------------------------------------------
    def _opened(self, key: str, detection: Detection, emitted: Emitted, at: Moment) -> list[Emitted]:
        event_ms, now_ms = emitted.event_time_ms, at.detected_ms
        alert = AlertState(
            derived_id(key, detection.cause_id, event_ms), key, emitted.scope, emitted.scope, detection.severity,
            detection, event_ms, event_ms, now_ms, causes=self._book.causes_of(emitted),
        )  # fmt: skip
        self._book.add(alert)
        alert.silencer = self._silencer(alert)
        ends = [end for end in self._cycles.get(key, ()) if now_ms - end < self._flap_ms]
        alert.unstable = len(ends) >= self.params.flap_cycles
        if alert.unstable:
            self._timers.schedule(f"{_STEADY}:{key}", now_ms + self._flap_ms)
        wait_ms = self._group_ms.get(detection.rule)
        if wait_ms is not None and alert.silencer is None:
            first = self._groups.join(alert, now_ms, wait_ms, self._book.open)
            if first is not None and self._timers.due_of(f"{_GROWN}:{first.key}") is None:
                interval_ms = int(self.params.group_interval_min * _MINUTE_MS)
                self._timers.schedule(f"{_GROWN}:{first.key}", now_ms + interval_ms)
        self._wait_for_people(alert, now_ms, anew=True)
        return [said(alert, "opened", at, event_ms), *self._review_dependents(key, at)]

    def _counted(self, alert: AlertState, detection: Detection, emitted: Emitted, at: Moment) -> list[Emitted]:
        rose = self._weighed(alert, detection, at)
        alert.count += 1
        alert.updated_ms = max(alert.updated_ms, emitted.event_time_ms)
        alert.last = detection
        if alert.cleared is not None:  # it came back
            alert.cleared = None
            self._timers.cancel(f"{_CLEAR}:{alert.key}")
            if alert.unstable:
                self._timers.schedule(f"{_STEADY}:{alert.key}", at.detected_ms + self._flap_ms)
        causes = self._book.causes_of(emitted, alert)
        moved = (alert.scope, alert.causes) != (emitted.scope, causes)
        alert.scope = emitted.scope
        out: list[Emitted] = []
        power_of_two = alert.count & (alert.count - 1) == 0
        waited_ms = at.detected_ms - alert.said_log_ms
        if rose and alert.group is not None:
            out += self._leave_group(alert, at)
        if rose or power_of_two or waited_ms >= self.params.update_every_min * _MINUTE_MS:
            alert.said_log_ms = at.detected_ms
            out.append(said(alert, "updated", at, alert.updated_ms))
        if rose:
            self._wait_for_people(alert, at.detected_ms, anew=True)
        if moved:
            self._book.set_causes(alert, causes)
            out += self._review(alert, at)
        return out

    def _weighed(self, alert: AlertState, detection: Detection, at: Moment) -> bool:
        """Whether the severity rose; when something less grave is noticed, it may fall after a while."""
        gravity, now = GRAVITY[alert.severity], GRAVITY[detection.severity]
        if now < gravity:
            if alert.lower is None:
                fall_ms = int(self.params.severity_fall_min * _MINUTE_MS)
                self._timers.schedule(f"{_FALL}:{alert.key}", at.detected_ms + fall_ms)
            if alert.lower is None or now > GRAVITY[alert.lower]:
                alert.lower = detection.severity
            return False
        alert.severity, alert.lower = detection.severity, None
        self._timers.cancel(f"{_FALL}:{alert.key}")
        return now > gravity

    def _fell(self, alert: AlertState, at: Moment) -> list[Emitted]:
        if alert.lower is None:
            return []
        words = text.fell(alert.severity, alert.lower, self.params.severity_fall_min)
        alert.severity, alert.lower = alert.lower, None
        self._wait_for_people(alert, at.detected_ms)
        return [self._updated(alert, at, words)]

    def _updated(self, alert: AlertState, at: Moment, words: str) -> Emitted:
        """Say it again for a reason of our own."""
        alert.said_log_ms = at.detected_ms
        return said(alert, "updated", at, at.detected_ms, comment=words)

    # -- the end -----------------------------------------------------------------------------------------------------
    def _cleared(self, alert: AlertState, detection: Detection, event_ms: int, at: Moment) -> list[Emitted]:
        """It is said to be over."""
        if alert.unstable:
            wait_ms, timer = self._flap_ms, f"{_STEADY}:{alert.key}"
        else:
            wait_ms, timer = self._clear_ms.get(detection.rule, 0), f"{_CLEAR}:{alert.key}"
        if not wait_ms:
            return self._end(alert, detection, max(alert.updated_ms, event_ms), at)
        if alert.cleared is None:
            alert.cleared = (detection, event_ms)
            self._timers.schedule(timer, at.detected_ms + wait_ms)
        return []

    def _fell_quiet(self, alert: AlertState, at: Moment) -> list[Emitted]:
        """A rule without an end noticed nothing for long enough."""
        return self._cleared(alert, alert.last, alert.updated_ms + self._quiet_ms[alert.last.rule], at)

    def _believed(self, alert: AlertState, at: Moment) -> list[Emitted]:
        """It was over for long enough."""
        if alert.cleared is None:
            return []
        detection, event_ms = alert.cleared
        return self._end(alert, detection, max(alert.updated_ms, event_ms), at)

    def _steady(self, alert: AlertState, at: Moment) -> list[Emitted]:
        """Nothing has come or gone for long enough."""
        if alert.cleared is not None:
            return self._believed(alert, at)
        alert.unstable = False
        return [self._updated(alert, at, text.steady(self.params.flap_min))]

    def _end(
        self, alert: AlertState, detection: Detection, ended_ms: int, at: Moment, by: AlertAction | None = None
    ) -> list[Emitted]:
        key, now_ms = alert.key, at.detected_ms
        self._book.end(alert, now_ms)
        for kind in self._WHEN_DUE:
            self._timers.cancel(f"{kind}:{key}")
        alert.last, alert.resolved_ms = detection, ended_ms
        alert.cleared = alert.lower = None
        alert.severity = max(alert.gravest, alert.severity, key=GRAVITY.__getitem__)
        if alert.aloud:
            alert.silencer = None
        if by is None:
            ends = [] if alert.unstable else [end for end in self._cycles.get(key, ()) if now_ms - end < self._flap_ms]
            self._cycles[key] = (*ends, now_ms)[-self.params.flap_cycles :]
            self._timers.schedule(f"{_CYCLES}:{key}", now_ms + self._flap_ms)
        actor, comment = (by.actor, by.comment) if by else (None, None)
        out = [said(alert, "resolved", at, ended_ms, actor=actor, comment=comment)]
        out += self._leave_group(alert, at)
        return out + self._review_dependents(key, at)

    # -- people ------------------------------------------------------------------------------------------------------
    def _act(self, spoken: PersonSaid, action: AlertAction, at: Moment) -> list[Emitted]:
        alert = self._book.find(action.alert, at.detected_ms)
        if alert is None or not may_be_taken(alert, spoken):
            return []
        out: list[Emitted] = []
        if action.action in ("resolve", "close") and alert.resolved_ms is None:
            out = self._end(alert, alert.last, max(alert.updated_ms, spoken.event_ms), at, action)
        step = taken(alert, action, spoken.event_ms)
        if step == "acknowledged":
            self._timers.cancel(f"{_UNANSWERED}:{alert.key}")
        if step is not None:
            out.append(said(alert, step, at, spoken.event_ms, actor=action.actor, comment=action.comment))
        return out

    def _wait_for_people(self, alert: AlertState, now_ms: int, *, anew: bool = False) -> None:
        """Set the timer of the next reminder; ``anew``: people are waited for from now on."""
        timer = f"{_UNANSWERED}:{alert.key}"
        self._timers.cancel(timer)
        if alert.acknowledged_by is not None or alert.silencer is not None or alert.group is not None:
            return
        if anew:
            alert.waiting_log_ms = now_ms
        plan = self._plans.get(alert.severity, ())
        if alert.escalation < len(plan):
            self._timers.schedule(timer, max(now_ms, alert.waiting_log_ms + plan[alert.escalation][0]))

    def _unanswered(self, alert: AlertState, at: Moment) -> list[Emitted]:
        step = self._plans[alert.severity][alert.escalation][1]
        alert.escalation += 1
        self._wait_for_people(alert, at.detected_ms)
        words = text.unanswered((at.detected_ms - alert.waiting_log_ms) / 1000.0)
        return [said(alert, step, at, at.detected_ms, comment=words)]

    # -- silence, causes and groups ----------------------------------------------------------------------------------
    def _silence(self, spoken: PersonSaid, data: AlertSilence, at: Moment) -> list[Emitted]:
        if not self._silences.take(spoken, data):
            return []
        start, end = f"{_START}:{data.silence}", f"{_END}:{data.silence}"
        self._timers.cancel(start)
        self._timers.cancel(end)
        times_ms = self._silences.times_ms(data.silence)
        if times_ms is not None:
            if times_ms[0] > at.detected_ms:
                self._timers.schedule(start, times_ms[0])
            self._timers.schedule(end, times_ms[1])
        return self._review_all(at)

    def _silencer(self, alert: AlertState) -> Silencer | None:
        return self._book.inhibitor_of(alert) or self._silences.over(alert)

    def _changed(self, device: DeviceStatus, at: Moment) -> list[Emitted]:
        if device.status == "offline":
            self._book.went_offline(device.device)
            return []
        return [step for alert in self._book.came_back(device.device) for step in self._review(alert, at)]

    def _review_all(self, at: Moment) -> list[Emitted]:
        return [step for alert in list(self._book.open.values()) for step in self._review(alert, at)]

    def _review_dependents(self, key: str, at: Moment) -> list[Emitted]:
        """An alert came or went: those whose cause it is become quiet, or no longer are."""
        return [step for one in self._book.dependents(key) for step in self._review(one, at)]

    def _review(self, alert: AlertState, at: Moment) -> list[Emitted]:
        """Whether the alert is silenced now; a step when that has changed."""
        before, now = alert.silencer, self._silencer(alert)
        alert.silencer = now
        if now is not None and before is None:
            self._timers.cancel(f"{_UNANSWERED}:{alert.key}")
            others = self._leave_group(alert, at)
            return [said(alert, "silenced", at, at.detected_ms, comment=text.silenced(now)), *others]
        if now is None and before is not None:
            self._wait_for_people(alert, at.detected_ms, anew=True)
            return [said(alert, "unsilenced", at, at.detected_ms, comment=text.unsilenced(before))]
        return []

    def _grown(self, alert: AlertState, at: Moment) -> list[Emitted]:
        """More alerts have folded under it."""
        return [self._updated(alert, at, text.grown(alert.grouped))] if alert.grouped else []

    def _leave_group(self, alert: AlertState, at: Moment) -> list[Emitted]:
        """Take it out of its group, if it is in one; the alert that stands for the others from now on is said."""
        first = self._groups.leave(alert, self._book.open)
        if alert.resolved_ms is None:
            alert.group, alert.grouped = None, 0
            self._timers.cancel(f"{_GROWN}:{alert.key}")
        if first is None:
            return []
        self._wait_for_people(first, at.detected_ms, anew=True)
        return [self._updated(first, at, text.stands(first.grouped))]

    # -- timers ------------------------------------------------------------------------------------------------------
    _WHEN_DUE: ClassVar[Mapping[str, Callable[[Incidents, AlertState, Moment], list[Emitted]]]] = {
        _QUIET: _fell_quiet, _CLEAR: _believed, _STEADY: _steady, _FALL: _fell, _UNANSWERED: _unanswered,
        _GROWN: _grown,
    }  # fmt: skip
    """Those of an open alert."""
