"""The district is hard: fixed thresholds do badly on it."""

from __future__ import annotations

from replay.simulator import DistrictConfig, Simulator, score
from replay.simulator.chance import DAY_MS, HOUR_MS
from replay.simulator.naive import NaiveDetector


def test_fixed_thresholds_do_badly() -> None:
    config = DistrictConfig(communities=2, size=0.7, learning_days=1.0, anomaly_rate=2.5)
    simulator = Simulator(config)
    until_ms = config.start_ms + 6 * DAY_MS
    naive = NaiveDetector()
    naive.process(simulator.registry_events())
    for piece in simulator.slices(config.start_ms, until_ms, HOUR_MS):
        naive.process(piece.records)
    labels = simulator.labels(config.start_ms, until_ms)
    result = score(labels, naive.alerts, until_ms=until_ms, from_ms=config.learning_until_ms)
    assert all(tally["hit"] + tally["missed"] > 0 for tally in result.values()), result
    precision = {kind: tally["hit"] / max(1, tally["hit"] + tally["false"]) for kind, tally in result.items()}
    assert sum(ratio < 0.5 for ratio in precision.values()) >= 2, result
    assert all(tally["false"] > 0 for tally in result.values()), result
