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
bursts of buffered messages. Retired devices are forgotten. State: 200 to 250 bytes per device, names included, in
memory and saved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors import device_text as text
from detectors.contract import Emitted
from detectors.device_groups import Membership, OpenGroup, common_scope
from detectors.device_interval import IntervalLearner, IntervalParams
from detectors.device_rounds import MIN_DEVICES, Heard, Messages, by_value, hear
from detectors.device_table import NEW, OFFLINE, ONLINE, PENDING, Device, DeviceTable, half_of
from detectors.device_timers import DeviceTimers
from detectors.local_time import LocalClock
from detectors.rows import Row, event_id_at, rows_of
from detectors.rows_at import Mask, Places, places_of, rows_at
from detectors.state import model_version, pack, unpack
from schemas.columns import EventBatch
from schemas.families.movement import Finding
from schemas.families.readings import Heartbeat, Measured, Presence, Sos
from schemas.families.registry import Device as DeviceEntry
from schemas.families.system import Detection, DeviceStatus, Severity
from schemas.records import IntArray

_REGISTRY = 0
_IRREGULAR = 1
_PERIODIC = 2

Cause = Literal["first_seen", "seen_again", "silent", "gateway_silent", "site_silent", "retired"]


@dataclass(frozen=True, slots=True)
class DeviceOfflineParams:
    """Parameters of the device detector."""

    timezone: str = "Asia/Shanghai"  # for reasons in words
    interval: IntervalParams = field(default_factory=IntervalParams)
    signs_of_life: tuple[tuple[str, str, bool], ...] = (  # event type, column of the device, periodic
        (Heartbeat.type_name, "device", True),
        (Measured.type_name, "device", True),
        (Presence.type_name, "device", False),
        (Sos.type_name, "device", False),
        (Finding.type_name, "camera", False),
    )
    group_wait_ratio: float = 0.1  # of the first silent device's allowed silence
    group_wait_min_s: float = 2.0
    group_wait_max_s: float = 60.0
    group_min_devices: int = 3
    group_min_ratio: float = 0.6
    group_min_gateways: int = 2  # for a site
    overdue_factor: float = 2.0  # intervals: one message missed, as evidence for a group
    flapping_spells: int = 4
    flapping_window_s: float = 3600.0


class DeviceOffline:
    """The detector of one lane; see the module's header."""

    name: ClassVar[str] = "device_offline"
    state_version: ClassVar[int] = 3

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
        self._heard = Heard()
        self._added_ms: dict[int, int] = {}  # rows added ahead of their time in this batch, and when they are due
        self._learner = IntervalLearner(params.interval)
        self._table = DeviceTable(self._learner.p2)
        self._timers = DeviceTimers(self._table)
        self._membership = Membership()
        self._open: dict[str, OpenGroup] = {}
        self._pending: dict[str, dict[str, None]] = {}

    # -- the detector's contract -------------------------------------------------------------------------------------
    def process(self, batch: EventBatch) -> list[Emitted]:
        """Take the batch in; say what was noticed."""
        self._out = []
        clock_ms = batch.clock_ms
        if clock_ms is None:
            return []
        self._batch = batch
        left = self._take_in(batch)
        self._timers.open(clock_ms)
        near = self._timers.near
        for row in left:
            if near.next_ms < row[1]:
                self._fire(row[1])
            if row[3] == _REGISTRY:
                self._registered(row)
            else:
                self._seen(row)
        self._fire(clock_ms)
        self._table.put_back()
        out, self._out, self._batch, self._heard, self._added_ms = self._out, [], None, Heard(), {}
        return out

    def snapshot(self) -> bytes:
        """The whole state."""
        parts = (self._table.saved(), self._timers.saved(), self._membership.saved(), self._open, self._pending)
        return pack(self.name, self.state_version, parts)

    def restore(self, saved: bytes) -> None:
        """Replace the state. :raises StateVersionError: of another version."""
        table, timers, membership, self._open, self._pending = unpack(self.name, self.state_version, saved)
        self._table = DeviceTable(self._learner.p2, table)
        self._timers = DeviceTimers(self._table, timers)
        self._membership = Membership(membership)

    @property
    def devices(self) -> int:
        """How many devices are known."""
        return len(self._table)

    @property
    def nbytes(self) -> int:
        """Memory held for them: the columns, names included."""
        return self._table.nbytes + self._timers.nbytes + self._membership.nbytes

    # -- rows --------------------------------------------------------------------------------------------------------
    def _take_in(self, batch: EventBatch) -> list[Row]:
        """Take in what is ordinary, in columns; the rows that are left to the rules."""
        if sum(len(batch.of(name) or ()) for name, _, _ in self._wanted) < MIN_DEVICES:
            return rows_of(batch, self._wanted)
        places = places_of(batch, self._wanted)
        order = by_value(places.positions)
        rows, ordinary = self._rows_of(batch, places, order)
        chosen = np.flatnonzero(ordinary)
        if len(chosen) < MIN_DEVICES:
            return self._hinted(rows_of(batch, self._wanted), rows)
        at = order[chosen]
        periodic = places.tags[at] == _PERIODIC
        messages = Messages(rows[chosen], places.now_ms[at], places.event_ms[at], periodic)
        outcome = hear(self._table, self._timers, self._learner, messages)
        self._heard = outcome.heard
        for first in outcome.first:
            self._first_seen(rows[chosen[first]], at[first], places)
        if len(chosen) == len(order) and not outcome.left.any():
            return []
        left = np.ones(len(batch.recorded_time_ms), dtype=bool)
        left[places.positions[at]] = outcome.left
        return self._hinted(rows_at(batch, self._wanted, left), rows[left[places.positions[order]]])

    def _hinted(self, rows: list[Row], numbers: IntArray) -> list[Row]:
        self._table.hint(dict(zip([row[5] for row in rows], numbers.tolist(), strict=True)))
        return rows

    def _rows_of(self, batch: EventBatch, places: Places, order: IntArray) -> tuple[IntArray, Mask]:
        """The device's row of each place in order, and whether its message may be ordinary."""
        table = self._table
        rows = table.names.rows_of(places.names)[order]
        registry = places.tags[order] == _REGISTRY
        statuses = table.statuses(rows)
        ordinary = (statuses == ONLINE) | (statuses == NEW)
        if registry.any():  # what a device was and is must not be mixed up
            ordinary &= ~np.isin(rows, rows[registry & (rows >= 0)]) & ~registry
        unknown = rows < 0
        new = np.flatnonzero(unknown)
        if len(new) and (unknown & registry).any():
            named = places.names.take(order[unknown & registry]).combine_chunks()
            ordinary &= ~pc.is_in(places.names, value_set=named).to_numpy()[order]
            retired = retired_of(batch)
            if len(retired):  # perhaps before it is known
                new = np.flatnonzero(unknown & ~pc.is_in(places.names, value_set=retired).to_numpy()[order])
        if len(new):
            at = order[new]
            names = places.names.take(at).combine_chunks().dictionary_encode()
            numbers = names.indices.to_numpy()
            first = np.unique(numbers, return_index=True)[1]
            added = table.add_all(names.dictionary, places.scopes.take(at[first]).to_pylist())
            rows[new] = added[numbers]
            self._added_ms = dict(zip(added.tolist(), places.now_ms[at[first]].tolist(), strict=True))
        return rows, ordinary

    def _first_seen(self, rows: IntArray, at: IntArray, places: Places) -> None:
        names, now = places.names.take(at).to_pylist(), places.now_ms[at].tolist()
        for row, name, now_ms, position in zip(rows.tolist(), names, now, places.positions[at].tolist(), strict=True):
            data = DeviceStatus(
                device=name, status="online", cause="first_seen", expected_interval_s=None, detected_time_ms=now_ms
            )
            self._out.append(Emitted(now_ms, False, position, self._table.scope_of(row), now_ms, data))

    def _registered(self, row: tuple[Any, ...]) -> None:
        position, now_ms, event_ms, _tag, scope, name, change, kind, site, gateway = row
        if change == "retired":
            device = self._table.find(name)
            if device is not None and event_ms >= device.entry_ms:
                self._retire(device, now_ms, position)
            return
        row_number = self._table.row_of(name)
        if row_number < 0:
            row_number = self._table.add(name, scope).row
        if self._table.enter(row_number, event_ms, scope):  # else it came again, or out of order
            self._membership.place(row_number, name, kind, gateway, site)

    def _retire(self, device: Device, now_ms: int, position: int) -> None:
        name = device.name
        words = text.retired(name)
        if device.alerted:
            self._say(device.scope, now_ms, now_ms, position, "silent", name, False, words, "info")
        if device.flapping:
            self._say(device.scope, now_ms, now_ms, position, "flapping", name, False, words, "info")
        self._status(device, "retired", "retired", now_ms, now_ms, position)
        self._membership.remove(device.row, name)
        self._timers.cancel(device)
        self._timers.near.cancel(f"f:{name}")
        self._table.remove(device)
        group = self._open.get(device.named_by) if device.named_by else None
        if group is not None and device.named_by is not None:
            group.out -= 1
            self._group_back(device.named_by, group, now_ms, position)

    def _seen(self, row: tuple[Any, ...]) -> None:
        position, now_ms, event_ms, tag, scope, name = row
        device = self._table.find(name) or self._table.add(name, scope)
        recent, event = device.recent, half_of(event_ms)
        if event in recent:
            return  # came again, or another quantity of the same moment
        del recent[0]
        recent.append(event)
        status = device.status
        if status != ONLINE:
            self._back_online(device, now_ms, position)
        device.last_ms = now_ms
        if tag == _PERIODIC:
            self._learner.learn(device, now_ms, event_ms, status == OFFLINE)
        if device.timeout_ms is not None:
            self._timers.schedule(device, now_ms + device.timeout_ms)

    def _back_online(self, device: Device, now_ms: int, position: int) -> None:
        status, device.status = device.status, ONLINE
        if status == PENDING:
            return  # it was never said to be gone
        self._status(device, "online", "first_seen" if status == NEW else "seen_again", now_ms, now_ms, position)
        if device.alerted:
            device.alerted = False
            silence_s = (now_ms - device.last_ms) / 1000.0
            words = text.seen_again(self._clock, device.name, now_ms, silence_s)
            self._say(
                device.scope, now_ms, now_ms, position, "silent", device.name, False, words, "info", observed=silence_s
            )
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
        for row in self._membership.members(key):
            if self._table.named_by_of(row) == key:
                device = self._table.device(row)
                device.named_by = None
                if device.timeout_ms is not None:
                    self._timers.schedule(device, now_ms + device.timeout_ms)

    # -- timers ------------------------------------------------------------------------------------------------------
    def _fire(self, clock_ms: int) -> None:
        for due_ms, key in self._timers.near.due(clock_ms):
            kind, name = key[0], key[2:]
            if kind == "w":
                self._decide(due_ms, name)
            elif (device := self._table.find(name)) is not None:
                if kind == "f":
                    self._settled(due_ms, device)
                elif self._timers.is_due(device, due_ms):
                    self._silent(due_ms, device)

    def _silent(self, due_ms: int, device: Device) -> None:
        """A device's allowed silence is over: wait for its group, or join one that is out."""
        if device.timeout_ms is None:
            return
        if device.status == OFFLINE:  # left over when its group came back
            if device.named_by is None and not device.alerted:
                self._raise_single(device, due_ms)
            return
        if device.status != ONLINE:
            return
        device.status = PENDING
        group = self._membership.group_of(device.row)
        is_out = self._open_group_of(group)
        if is_out is not None:
            self._join(device, is_out, due_ms)
            return
        waiting = group or f"d:{device.name}"
        self._pending.setdefault(waiting, {})[device.name] = None
        if self._timers.near.due_of(f"w:{waiting}") is None:
            params = self.params
            wait_s = params.group_wait_ratio * device.timeout_ms / 1000.0
            wait_s = min(max(wait_s, params.group_wait_min_s), params.group_wait_max_s)
            self._timers.near.schedule(f"w:{waiting}", due_ms + int(wait_s * 1000))

    def _decide(self, due_ms: int, group_key: str) -> None:
        """The wait is over: one detection for the whole group, or one for each."""
        found = [self._table.find(name) for name in self._pending.pop(group_key, {})]
        devices = [device for device in found if device is not None and device.status == PENDING]
        if not devices:
            return
        key = self._open_group_of(self._membership.group_of(devices[0].row))
        if key is None and group_key[0] != "d":
            key = self._open_if_out(group_key, due_ms)
        for device in sorted(devices, key=lambda one: one.name):
            if key is not None:
                self._join(device, key, due_ms)
            else:
                self._go_offline(device, "silent", due_ms)
                self._raise_single(device, due_ms)

    def _open_group_of(self, group: str | None) -> str | None:
        """The open group that covers a device of this one."""
        if group is None or group in self._open:
            return group
        site = self._membership.site_key(group) if self._open else None
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
        registered = self._table.names.row_of(name) if kind == "gateway" else -1
        if registered >= 0 and self._added_ms.get(registered, due_ms) <= due_ms:
            scope = self._table.scope_of(registered)
        else:
            scope = common_scope([self._table.scope_of(row) for row in self._membership.members(key)])
        self._open[key] = OpenGroup(scope, due_ms, since_ms, 0)
        words = text.group_silent(self._clock, kind, name, overdue, heard, since_ms)
        self._say(
            scope, since_ms, due_ms, None, f"{kind}_silent", name, True, words, "critical",
            score=overdue / heard, threshold=self.params.group_min_ratio, baseline=float(heard),
            observed=float(overdue), unit="1",
        )  # fmt: skip
        return key

    def _evidence(self, group_key: str, now_ms: int) -> tuple[int, int, int, set[int]] | None:
        """(overdue, overdue or heard since, silent since, groups overdue) when the group is out; else None.

        A device that is not due yet says nothing either way; one that was flagged before is not counted.
        """
        params = self.params
        onset_ms = 0
        overdue = 0
        branches: set[int] = set()
        heard_ms: list[int] = []
        for row in self._membership.members(group_key):
            status, last_ms, interval_s = self._known(row, now_ms)
            if status not in (ONLINE, PENDING):
                continue
            if status == PENDING or (
                interval_s is not None
                and now_ms - last_ms > (params.overdue_factor * interval_s + params.interval.jitter_s) * 1000
            ):
                overdue += 1
                onset_ms = max(onset_ms, last_ms)
                branches.add(self._membership.group_number(row))
            else:
                heard_ms.append(last_ms)
        alive = sum(last_ms > onset_ms for last_ms in heard_ms)
        if overdue < params.group_min_devices or overdue < params.group_min_ratio * (overdue + alive):
            return None
        return overdue, overdue + alive, onset_ms, branches

    def _known(self, row: int, at_ms: int) -> tuple[int, int, float | None]:
        """(status, last sign of life, interval) at a time within the batch."""
        before = self._heard.at(row, at_ms)
        return self._table.glance(row) if before is None else before

    def _join(self, device: Device, group_key: str, due_ms: int) -> None:
        """The open group stands for this device's silence."""
        device.named_by = group_key
        self._open[group_key].out += 1
        cause: Cause = "gateway_silent" if group_key[0] == "g" else "site_silent"
        self._go_offline(device, cause, due_ms)

    def _go_offline(self, device: Device, cause: Cause, due_ms: int) -> None:
        device.status = OFFLINE
        first_missed_ms = device.last_ms + int((device.interval_s or 0.0) * 1000)
        self._status(device, "offline", cause, first_missed_ms, due_ms, None)

    def _raise_single(self, device: Device, due_ms: int) -> None:
        """Say that one device is silent, unless it keeps dropping out."""
        params, name = self.params, device.name
        if due_ms - device.flap_since_ms > params.flapping_window_s * 1000:
            device.flap_since_ms, device.spells = due_ms, 0
        device.spells += 1
        if device.flapping or device.spells >= params.flapping_spells:
            self._timers.near.schedule(f"f:{name}", due_ms + int(params.flapping_window_s * 1000))
            if not device.flapping:
                device.flapping = True
                words = text.flapping(self._clock, name, device.spells, device.flap_since_ms)
                self._say(
                    device.scope, due_ms, due_ms, None, "flapping", name, True, words, "warning",
                    score=float(device.spells), threshold=float(params.flapping_spells),
                    observed=float(device.spells), unit="1",
                )  # fmt: skip
            return
        self._say_silent(device, due_ms)

    def _say_silent(self, device: Device, due_ms: int) -> None:
        name, interval_s = device.name, device.interval_s or 0.0
        allowed_s = (device.timeout_ms or 0) / 1000.0
        silence_s = (due_ms - device.last_ms) / 1000.0
        device.alerted = True
        words = text.silent(self._clock, name, device.last_ms, silence_s, interval_s, allowed_s)
        self._say(
            device.scope, device.last_ms + int(interval_s * 1000), due_ms, None, "silent", name, True, words, "warning",
            score=silence_s, threshold=allowed_s, baseline=interval_s, observed=silence_s, unit="s",
        )  # fmt: skip

    def _settled(self, due_ms: int, device: Device) -> None:
        """A flapping device has not dropped out again for the whole window."""
        if not device.flapping:
            return
        name = device.name
        device.flapping = False
        device.spells = 0
        words = text.steady(self._clock, name, due_ms, self.params.flapping_window_s)
        self._say(device.scope, due_ms, due_ms, None, "flapping", name, False, words, "info")
        if device.status == OFFLINE and device.named_by is None:
            self._say_silent(device, due_ms)

    # -- saying it ---------------------------------------------------------------------------------------------------
    def _status(
        self, device: Device, status: Literal["online", "offline", "retired"], cause: Cause,
        event_ms: int, now_ms: int, position: int | None,
    ) -> None:  # fmt: skip
        data = DeviceStatus(
            device=device.name, status=status, cause=cause, expected_interval_s=device.interval_s,
            detected_time_ms=now_ms,
        )  # fmt: skip
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
        causes = self._causes(rule, subject) if active else ()
        self._out.append(Emitted(now_ms, position is None, position or 0, scope, event_ms, data, causes))

    def _causes(self, rule: str, subject: str) -> tuple[str, ...]:
        """The alerts of the gateway and the site that a device or gateway belongs to: when open, they explain it."""
        if rule == "site_silent":
            return ()
        group = f"g:{subject}" if rule == "gateway_silent" else self._membership.group_of(self._table.row_of(subject))
        groups = (group, self._membership.site_key(group)) if group is not None else ()
        return tuple(
            f"{self.name}/{_kind(key)}_silent/{key[2:]}" for key in groups if key is not None and key[2:] != subject
        )


def _kind(group_key: str) -> Literal["gateway", "site"]:
    return "gateway" if group_key[0] == "g" else "site"


def retired_of(batch: EventBatch) -> pa.Array:
    """Names of devices that are retired in the batch."""
    rows = batch.of(DeviceEntry.type_name)
    if rows is None:
        return pa.array([], pa.string())
    chosen = pc.equal(rows.data.column("change"), "retired")
    return rows.data.column("device").filter(chosen).cast(pa.string()).combine_chunks()
