"""Heartbeats of all devices: own intervals with jitter, single beats lost, batteries that drain and are charged."""

from __future__ import annotations

import numpy as np

from replay.simulator.block import Block, Column
from replay.simulator.chance import BoolArray, FloatArray, IntArray, regular
from replay.simulator.day import Day, rounded

HEARTBEAT = "cn.gridpulse.readings.heartbeat"
LOSS_RUN_RATIO = 0.004  # of beats begin a run of lost ones
LOSS_RUN_LENGTHS = (0.80, 0.19, 0.01)  # one, two, three beats in a row: never an outage
JITTER_RATIO = 0.03
RECHARGED_OVER_RATIO = 0.03  # share of the battery's period in which it is charged
EMPTIEST_RATIO = 0.15


def heartbeats(day: Day) -> list[Block]:
    """The heartbeats of a day: one block per firmware generation and kind of power."""
    world = day.world
    rng = day.rng("heartbeats")
    device, true_ms = regular(world.heartbeat_ms, world.phase_ms, day.number)
    true_ms = true_ms + (rng.random(len(device)) * JITTER_RATIO * world.heartbeat_ms[device]).astype(np.int64)
    kept = ~_lost_runs(rng, device)
    device, true_ms = device[kept], true_ms[kept]
    battery = _battery(true_ms + world.phase_ms[device], world.battery_ms[device])
    rssi = -52.0 - (world.phase_ms[device] % 38) + rng.normal(0.0, 2.5, len(device))
    on_battery, old = world.battery_ms[device] < 2**61, world.old_firmware[device]
    names = world.device_names

    def block(code: str, mask: BoolArray, template: str, columns: list[Column], version: int | None = None) -> Block:
        who = Column(device[mask], names)
        return day.device_block(
            HEARTBEAT, code, template, device[mask], true_ms[mask], [who, *columns], loss_ratio=0.0, version=version
        )

    new, cell = ~old & on_battery, old & on_battery
    mains, old_mains = ~old & ~on_battery, old & ~on_battery
    return [
        block("hb", mains, '"device":"%s","rssi_dbm":%s', [rounded(rssi[mains], 1)]),
        block(
            "hbb", new, '"device":"%s","battery_ratio":%s,"rssi_dbm":%s',
            [rounded(battery[new], 3), rounded(rssi[new], 1)],
        ),
        block("hbo", old_mains, '"device":"%s"', [], 1),
        block("hbc", cell, '"device":"%s","battery_percent":%s', [rounded(battery[cell] * 100.0, 1)], 1),
    ]  # fmt: skip


def _lost_runs(rng: np.random.Generator, device: IntArray) -> BoolArray:
    """Beats lost in runs of one to three; rows are ordered by device."""
    begins = np.flatnonzero(rng.random(len(device)) < LOSS_RUN_RATIO)
    lengths = 1 + np.searchsorted(np.cumsum(LOSS_RUN_LENGTHS)[:-1], rng.random(len(begins)), side="right")
    lost = np.zeros(len(device), dtype=np.bool_)
    for offset in range(len(LOSS_RUN_LENGTHS)):
        index = begins[lengths > offset] + offset
        lost[index[index < len(device)]] = True
    return lost


def _battery(age_ms: IntArray, period_ms: IntArray) -> FloatArray:
    """Charge left: falls over the period, then rises while it is charged or changed."""
    age = (age_ms % period_ms) / period_ms
    falling = 1.0 - (1.0 - EMPTIEST_RATIO) * age / (1.0 - RECHARGED_OVER_RATIO)
    rising = EMPTIEST_RATIO + (1.0 - EMPTIEST_RATIO) * (age - 1.0 + RECHARGED_OVER_RATIO) / RECHARGED_OVER_RATIO
    return np.where(age < 1.0 - RECHARGED_OVER_RATIO, falling, rising)
