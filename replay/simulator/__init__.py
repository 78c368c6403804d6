"""The simulator: a seeded district of Wuhu with labelled anomalies, at any speed-up, to a file or into the log.

    config = DistrictConfig(seed=7, communities=4, size=1.0)
    simulator = Simulator(config, partitions=4)
    log.append(simulator.registry_events())                       # once, before anything else
    for piece in simulator.slices(config.start_ms, until_ms, slice_ms=10_000):
        log.append(piece.records)                                 # recorded order; ends with a tick per partition
    truth = simulator.labels(config.start_ms, until_ms)
    score(truth, alerts, until_ms=until_ms)                       # {kind: {hit, missed, false}}

What it promises
    order          records by recorded time, which is the true time plus a transport delay, never less. A device's own
                   clock may be some seconds off.
    determinism    same config, same bytes; however the stream is cut and wherever it is entered (``from_ms``): every
                   day is drawn from (seed, purpose, day), so a second start goes on in the same world.
    validity       every event is canonical CloudEvents JSON that the strict parser accepts, but for ``bad_ratio`` of
                   broken ones (:mod:`replay.simulator.faults`).
    truth          labels begin after ``learning_days``, do not overlap per subject, and say by when they can be known.

What makes it hard
    Devices report at intervals from one minute to two hours, lose one to three beats in a row, drop and send late in
    a burst, repeat themselves, are retired and replaced. Noise readings scatter over the limit while their energy
    average stays below; rain lifts all meters, fireworks single readings. Persons rise before five, dance until after
    ten, shift and skip outings; cameras mistake them. :mod:`replay.simulator.naive` shows what fixed thresholds do.

Where to look
    ``config`` what can be chosen · ``world`` and ``entities`` what exists · ``behaviour`` what happens · ``outages``,
    ``behaviour.noise``, ``behaviour.care`` what goes wrong, with its labels (``truth``) · ``day`` from a device into
    the log · ``block`` from columns to bytes · ``simulator`` the stream · ``output`` files · ``score`` the result.
"""

from replay.simulator.config import DistrictConfig
from replay.simulator.output import read_labels, write_labels, write_ndjson
from replay.simulator.score import ScoredAlert, score
from replay.simulator.simulator import Simulator, Slice
from replay.simulator.truth import KINDS, Label

__all__ = [
    "KINDS",
    "DistrictConfig",
    "Label",
    "ScoredAlert",
    "Simulator",
    "Slice",
    "read_labels",
    "score",
    "write_labels",
    "write_ndjson",
]
