"""Device offline 设备离线: silence longer than the device's own learned interval.

Learned, per device, on log time (``recorded_time``): the 0.9 quantile of the gaps between its periodic messages
(heartbeat, measured; see :mod:`detectors.device_interval`) and the longest gap of late. Any message of a device (also
presence, SOS, a camera's finding) is a sign of life; irregular ones do not shape the interval. A device is learned
after 10 messages over at least 60 s; before that it is never flagged.

Silent: no sign of life for ``max(3.2 x interval, 2 x longest recent gap, 15 s) + 2 s``: three messages missed in a
row, more for a device that loses some. Then the gateway is given a moment (a tenth of that, 2 to 60 s) before it is
said: when at least 3 of its devices, and 60% of those that should have been heard, are overdue together, ONE
detection ``gateway_silent`` (or ``site_silent``, when two or more gateways of a site go together) stands for all;
the devices' statuses still change. Devices with longer intervals join it later, without an alert of their own. It is
over when more than half of them are back; those that are still out after another timeout are then said one by one.
``flapping``: dropping out for the 4th time within an hour is said once, instead of each spell; over after an hour
without one.

Guarantees: outputs depend on the log alone. An event that comes again is ignored while it is among the device's last
six event times (a later repetition counts as a sign of life). Event time only serves to recognise repetitions and
bursts of buffered messages. Retired devices are forgotten. State: under 500 bytes per device.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar, Literal

from detectors import device_text as text
from detectors.contract import Emitted
from detectors.device_interval import IntervalParams
from detectors.device_offline import Cause, DeviceOfflineParams
from detectors.local_time import LocalClock
from detectors.rows import event_id_at, rows_of
from detectors.state import model_version, pack, unpack
from detectors.timers import TimerHeap
from schemas.columns import EventBatch
from schemas.families.registry import Device as DeviceEntry
from schemas.families.system import Detection, DeviceStatus, Severity
from tests.detectors.reference.device_groups_reference import Membership, OpenGroup, common_scope
from tests.detectors.reference.device_interval_reference import IntervalLearner

_NEW, _ONLINE, _PENDING, _OFFLINE = range(4)
_RECENT = 6  # event times remembered per device, to recognise repetitions
_REGISTRY = 0
_IRREGULAR = 1
_PERIODIC = 2


class _Device:
    """What is known of one device."""

    __slots__ = (
        "alerted", "entry_ms", "flap_since_ms", "flapping", "group", "last_event_ms", "last_ms", "learner",
        "named_by", "recent", "scope", "spells", "status",
    )  # fmt: skip

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.status = _NEW
        self.group: str | None = None  # what it belongs to
        self.named_by: str | None = None  # the open group that stands for its silence
        self.alerted = False  # its own detection is active
        self.entry_ms = -(2**62)  # event time of its last registry entry
        self.last_ms = 0  # recorded time of its last sign of life
        self.last_event_ms = -(2**62)
        self.recent: list[int] = []
        self.learner: IntervalLearner | None = None
        self.spells = 0
        self.flap_since_ms = -(2**62)
        self.flapping = False


class DeviceOffline:
    """The detector of one lane; see the module's header."""

    name: ClassVar[str] = "device_offline"
    state_version: ClassVar[int] = 1

    def __init__(self, params: DeviceOfflineParams | None = None) -> None:
        self.params = params = params or DeviceOfflineParams()
        self.model_version = model_version(self.name, 1, params)
        self._clock = LocalClock(params.timezone)
        self._wanted = (
            (DeviceEntry.type_name, _REGISTRY, ("device", "change", "kind", "site", "gateway")),
            *(
                (type_name, _PERIODIC if periodic else _IRREGULAR, (column,))
                for type_name, column, periodic in params.signs_of_life
            ),
        )
        self._out: list[Emitted] = []
        self._batch: EventBatch | None = None  # while processing
        self._devices: dict[str, _Device] = {}
        self._membership = Membership()
        self._open: dict[str, OpenGroup] = {}
        self._pending: dict[str, dict[str, None]] = {}
        self._timers = TimerHeap()

    # -- the detector's contract -------------------------------------------------------------------------------------
    def process(self, batch: EventBatch) -> list[Emitted]:
        """Take the batch in; say what was noticed."""
        self._out = []
        self._batch = batch
        timers = self._timers
        for row in rows_of(batch, self._wanted):
            if timers.next_ms < row[1]:
                self._fire(row[1])
            if row[3] == _REGISTRY:
                self._registered(row)
            else:
                self._seen(row)
        clock_ms = batch.clock_ms
        if clock_ms is not None:
            self._fire(clock_ms)
        out, self._out, self._batch = self._out, [], None
        return out

    def snapshot(self) -> bytes:
        """The whole state."""
        devices = {name: _saved(device) for name, device in self._devices.items()}
        payload = (devices, vars(self._membership), self._open, self._pending, self._timers.saved())
        return pack(self.name, self.state_version, payload)

    def restore(self, saved: bytes) -> None:
        """Replace the state. :raises StateVersionError: of another version."""
        devices, membership, self._open, self._pending, timers = unpack(self.name, self.state_version, saved)
        self._devices = {name: _device_of(values, self.params.interval) for name, values in devices.items()}
        self._membership = Membership()
        vars(self._membership).update(membership)
        self._timers = TimerHeap(timers)

    # -- rows --------------------------------------------------------------------------------------------------------
    def _registered(self, row: tuple[Any, ...]) -> None:
        position, now_ms, event_ms, _tag, scope, name, change, kind, site, gateway = row
        device = self._devices.get(name)
        if change == "retired":
            if device is not None and event_ms >= device.entry_ms:
                self._retire(name, device, now_ms, position)
            return
        if device is None:
            device = self._devices[sys.intern(name)] = _Device(sys.intern(scope))
        if event_ms <= device.entry_ms:
            return  # came again, or out of order
        device.entry_ms = event_ms
        device.scope = sys.intern(scope)
        self._membership.remove(name, device.group)
        device.group = self._membership.place(name, kind, gateway, site)

    def _retire(self, name: str, device: _Device, now_ms: int, position: int) -> None:
        if device.alerted:
            self._say(device.scope, now_ms, now_ms, position, "silent", name, False, text.retired(name), "info")
        if device.flapping:
            self._say(device.scope, now_ms, now_ms, position, "flapping", name, False, text.retired(name), "info")
        self._status(name, device, "retired", "retired", now_ms, now_ms, position)
        self._membership.remove(name, device.group)
        del self._devices[name]
        self._timers.cancel(f"d:{name}")
        self._timers.cancel(f"f:{name}")
        group = self._open.get(device.named_by) if device.named_by else None
        if group is not None and device.named_by is not None:
            group.out -= 1
            self._group_back(device.named_by, group, now_ms, position)

    def _seen(self, row: tuple[Any, ...]) -> None:
        position, now_ms, event_ms, tag, scope, name = row
        device = self._devices.get(name)
        if device is None:
            device = self._devices[sys.intern(name)] = _Device(sys.intern(scope))
        recent = device.recent
        if event_ms <= device.last_event_ms:
            if event_ms in recent:
                return  # came again, or another quantity of the same moment
        else:
            device.last_event_ms = event_ms
        recent.append(event_ms)
        if len(recent) > _RECENT:
            del recent[0]
        status = device.status
        if status != _ONLINE:
            self._back_online(name, device, now_ms, position)
        device.last_ms = now_ms
        learner = device.learner
        if tag == _PERIODIC:
            if learner is None:
                learner = device.learner = IntervalLearner(self.params.interval)
            learner.learn(now_ms, event_ms, status == _OFFLINE, self.params.interval)
        if learner is not None and learner.timeout_ms is not None:
            self._timers.schedule(f"d:{name}", now_ms + learner.timeout_ms)

    def _back_online(self, name: str, device: _Device, now_ms: int, position: int) -> None:
        status, device.status = device.status, _ONLINE
        if status == _PENDING:
            return  # it was never said to be gone
        self._status(name, device, "online", "first_seen" if status == _NEW else "seen_again", now_ms, now_ms, position)
        if device.alerted:
            device.alerted = False
            silence_s = (now_ms - device.last_ms) / 1000.0
            words = text.seen_again(self._clock, name, now_ms, silence_s)
            self._say(device.scope, now_ms, now_ms, position, "silent", name, False, words, "info", observed=silence_s)
        group_key, device.named_by = device.named_by, None
        group = self._open.get(group_key) if group_key else None
        if group is not None and group_key is not None:
            group.back += 1
            self._group_back(group_key, group, now_ms, position)

    def _group_back(self, key: str, group: OpenGroup, now_ms: int, position: int) -> None:
        """Close the group once the greater part is back; watch over those that are not."""
        if group.back * 2 <= group.out:
            return
        del self._open[key]
        kind, name = _kind(key), key[2:]
        words = text.group_back(self._clock, kind, name, group.back, group.out, now_ms)
        self._say(group.scope, now_ms, now_ms, position, f"{kind}_silent", name, False, words, "info")
        for member in self._membership.members(key):
            device = self._devices.get(member)
            if device is not None and device.named_by == key:
                device.named_by = None
                if device.learner is not None and device.learner.timeout_ms is not None:
                    self._timers.schedule(f"d:{member}", now_ms + device.learner.timeout_ms)

    # -- timers ------------------------------------------------------------------------------------------------------
    def _fire(self, clock_ms: int) -> None:
        for due_ms, key in self._timers.due(clock_ms):
            if key[0] == "d":
                self._silent(due_ms, key[2:])
            elif key[0] == "w":
                self._decide(due_ms, key[2:])
            else:
                self._settled(due_ms, key[2:])

    def _silent(self, due_ms: int, name: str) -> None:
        """A device's allowed silence is over: wait for its group, or join one that is out."""
        device = self._devices.get(name)
        if device is None or device.learner is None or device.learner.timeout_ms is None:
            return
        if device.status == _OFFLINE:  # left over when its group came back
            if device.named_by is None and not device.alerted:
                self._raise_single(name, device, due_ms)
            return
        if device.status != _ONLINE:
            return
        device.status = _PENDING
        group = self._open_group_of(device)
        if group is not None:
            self._join(name, device, group, due_ms)
            return
        waiting = device.group or f"d:{name}"
        self._pending.setdefault(waiting, {})[name] = None
        if self._timers.due_of(f"w:{waiting}") is None:
            params = self.params
            wait_s = params.group_wait_ratio * device.learner.timeout_ms / 1000.0
            wait_s = min(max(wait_s, params.group_wait_min_s), params.group_wait_max_s)
            self._timers.schedule(f"w:{waiting}", due_ms + int(wait_s * 1000))

    def _decide(self, due_ms: int, group_key: str) -> None:
        """The wait is over: one detection for the whole group, or one for each."""
        names = [
            name
            for name in self._pending.pop(group_key, {})
            if (device := self._devices.get(name)) is not None and device.status == _PENDING
        ]
        if not names:
            return
        key = self._open_group_of(self._devices[names[0]])
        if key is None and group_key[0] != "d":
            key = self._open_if_out(group_key, due_ms)
        for name in sorted(names):
            device = self._devices[name]
            if key is not None:
                self._join(name, device, key, due_ms)
            else:
                self._go_offline(name, device, "silent", due_ms)
                self._raise_single(name, device, due_ms)

    def _open_group_of(self, device: _Device) -> str | None:
        """The open group that covers a device."""
        if device.group is None:
            return None
        if device.group in self._open:
            return device.group
        site = self._membership.site_key(device.group)
        return site if site is not None and site in self._open else None

    def _open_if_out(self, group_key: str, due_ms: int) -> str | None:
        """Say that a group (or its whole site) is out, when it is; the key of what is out."""
        evidence = self._evidence(group_key, due_ms)
        if evidence is None:
            return None
        key = group_key
        site = self._membership.site_key(group_key)
        if site is not None and self._membership.branches(site) >= self.params.group_min_gateways:
            of_site = self._evidence(site, due_ms)
            if of_site is not None and len(of_site[3]) >= self.params.group_min_gateways:
                key, evidence = site, of_site
        overdue, heard, since_ms, _branches = evidence
        kind, name = _kind(key), key[2:]
        registered = self._devices.get(name) if kind == "gateway" else None
        scopes = [device.scope for member in self._membership.members(key) if (device := self._devices.get(member))]
        scope = registered.scope if registered is not None else common_scope(scopes)
        self._open[key] = OpenGroup(scope, due_ms, since_ms, 0)
        words = text.group_silent(self._clock, kind, name, overdue, heard, since_ms)
        self._say(
            scope, since_ms, due_ms, None, f"{kind}_silent", name, True, words, "critical",
            score=overdue / heard, threshold=self.params.group_min_ratio, baseline=float(heard),
            observed=float(overdue), unit="1",
        )  # fmt: skip
        return key

    def _evidence(self, group_key: str, now_ms: int) -> tuple[int, int, int, set[str]] | None:
        """(overdue, overdue or heard since, silent since, groups overdue) when the group is out; else None.

        A device that is not due yet says nothing either way; one that was flagged before is not counted.
        """
        params = self.params
        onset_ms = 0
        overdue = 0
        branches: set[str] = set()
        heard_ms: list[int] = []
        for member in self._membership.members(group_key):
            device = self._devices.get(member)
            if device is None or device.status not in (_ONLINE, _PENDING):
                continue
            interval_s = device.learner.interval_s if device.learner is not None else None
            if device.status == _PENDING or (
                interval_s is not None
                and now_ms - device.last_ms > (params.overdue_factor * interval_s + params.interval.jitter_s) * 1000
            ):
                overdue += 1
                onset_ms = max(onset_ms, device.last_ms)
                branches.add(device.group or "")
            else:
                heard_ms.append(device.last_ms)
        alive = sum(last_ms > onset_ms for last_ms in heard_ms)
        if overdue < params.group_min_devices or overdue < params.group_min_ratio * (overdue + alive):
            return None
        return overdue, overdue + alive, onset_ms, branches

    def _join(self, name: str, device: _Device, group_key: str, due_ms: int) -> None:
        """The open group stands for this device's silence."""
        device.named_by = group_key
        self._open[group_key].out += 1
        cause: Cause = "gateway_silent" if group_key[0] == "g" else "site_silent"
        self._go_offline(name, device, cause, due_ms)

    def _go_offline(self, name: str, device: _Device, cause: Cause, due_ms: int) -> None:
        device.status = _OFFLINE
        interval_s = device.learner.interval_s if device.learner is not None else None
        first_missed_ms = device.last_ms + int((interval_s or 0.0) * 1000)
        self._status(name, device, "offline", cause, first_missed_ms, due_ms, None)

    def _raise_single(self, name: str, device: _Device, due_ms: int) -> None:
        """Say that one device is silent, unless it keeps dropping out."""
        params = self.params
        if due_ms - device.flap_since_ms > params.flapping_window_s * 1000:
            device.flap_since_ms, device.spells = due_ms, 0
        device.spells += 1
        if device.flapping or device.spells >= params.flapping_spells:
            self._timers.schedule(f"f:{name}", due_ms + int(params.flapping_window_s * 1000))
            if not device.flapping:
                device.flapping = True
                words = text.flapping(self._clock, name, device.spells, device.flap_since_ms)
                self._say(
                    device.scope, due_ms, due_ms, None, "flapping", name, True, words, "warning",
                    score=float(device.spells), threshold=float(params.flapping_spells),
                    observed=float(device.spells), unit="1",
                )  # fmt: skip
            return
        self._say_silent(name, device, due_ms)

    def _say_silent(self, name: str, device: _Device, due_ms: int) -> None:
        assert device.learner is not None  # only learned devices have timers
        interval_s = device.learner.interval_s or 0.0
        allowed_s = (device.learner.timeout_ms or 0) / 1000.0
        silence_s = (due_ms - device.last_ms) / 1000.0
        device.alerted = True
        words = text.silent(self._clock, name, device.last_ms, silence_s, interval_s, allowed_s)
        self._say(
            device.scope, device.last_ms + int(interval_s * 1000), due_ms, None, "silent", name, True, words, "warning",
            score=silence_s, threshold=allowed_s, baseline=interval_s, observed=silence_s, unit="s",
        )  # fmt: skip

    def _settled(self, due_ms: int, name: str) -> None:
        """A flapping device has not dropped out again for the whole window."""
        device = self._devices.get(name)
        if device is None or not device.flapping:
            return
        device.flapping = False
        device.spells = 0
        words = text.steady(self._clock, name, due_ms, self.params.flapping_window_s)
        self._say(device.scope, due_ms, due_ms, None, "flapping", name, False, words, "info")
        if device.status == _OFFLINE and device.named_by is None:
            self._say_silent(name, device, due_ms)

    # -- saying it ---------------------------------------------------------------------------------------------------
    def _status(
        self, name: str, device: _Device, status: Literal["online", "offline", "retired"], cause: Cause,
        event_ms: int, now_ms: int, position: int | None,
    ) -> None:  # fmt: skip
        interval_s = device.learner.interval_s if device.learner is not None else None
        data = DeviceStatus(
            device=name, status=status, cause=cause, expected_interval_s=interval_s, detected_time_ms=now_ms
        )
        self._out.append(Emitted(now_ms, position is None, position or 0, device.scope, event_ms, data))

    def _say(
        self, scope: str, event_ms: int, now_ms: int, position: int | None, rule: str, subject: str, active: bool,
        words: tuple[str, str], severity: Severity, *, score: float = 0.0, threshold: float = 0.0,
        baseline: float | None = None, observed: float | None = None, unit: str | None = None,
    ) -> None:  # fmt: skip
        """``position`` None: said by a timer."""
        cause = f"timer:{rule}:{subject}@{now_ms}"
        if position is not None and self._batch is not None:
            cause = event_id_at(self._batch, position)
        data = Detection(
            detector="device_offline", rule=rule, subject=subject, active=active, severity=severity, score=score,
            threshold=threshold, baseline=baseline, observed=observed, unit=unit or ("s" if observed else None),
            model_version=self.model_version, reason_zh=words[0], reason_en=words[1],
            cause_id=cause, detected_time_ms=now_ms,
        )  # fmt: skip
        self._out.append(Emitted(now_ms, position is None, position or 0, scope, event_ms, data))


def _kind(group_key: str) -> Literal["gateway", "site"]:
    return "gateway" if group_key[0] == "g" else "site"


def _saved(device: _Device) -> tuple[Any, ...]:
    values = [getattr(device, name) for name in _Device.__slots__ if name != "learner"]
    return (*values, device.learner.saved() if device.learner is not None else None)


def _device_of(values: tuple[Any, ...], params: IntervalParams) -> _Device:
    device = _Device("")
    names = [name for name in _Device.__slots__ if name != "learner"]
    for name, value in zip(names, values, strict=False):
        setattr(device, name, value)
    learner = values[-1]
    device.learner = IntervalLearner.of(learner, params) if learner is not None else None
    return device
