"""All detectors of one lane and its incidents, as one operator.

:meth:`LaneOperator.process` gives detections, device statuses and alert steps in one exact order that depends on the
log alone: an alert step follows the detection that caused it, what people do about alerts has the place of its row,
and what time alone brings comes in between at its due time. However the lane is cut into batches, the concatenated
outputs are the same; a snapshot taken between any two batches and restored elsewhere goes on with the same outputs.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace

from detectors.contract import Detector, Emitted, StateVersionError
from detectors.device_offline import DeviceOffline, DeviceOfflineParams
from detectors.incident_params import IncidentParams
from detectors.incident_people import PersonSaid, said_by_people
from detectors.incidents import Incidents
from detectors.irregular_movement import IrregularMovement, IrregularMovementParams
from detectors.noise_limit import NoiseLimit, NoiseLimitParams
from detectors.state import pack, unpack
from schemas.columns import EventBatch

_NAME = "lane"
_STATE_VERSION = 2
_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class DetectorParams:
    """Parameters of everything in a lane. ``timezone`` is that of the sites and replaces the detectors' own."""

    timezone: str = "Asia/Shanghai"
    device_offline: DeviceOfflineParams = field(default_factory=DeviceOfflineParams)
    noise_limit: NoiseLimitParams = field(default_factory=NoiseLimitParams)
    irregular_movement: IrregularMovementParams = field(default_factory=IrregularMovementParams)
    incidents: IncidentParams = field(default_factory=IncidentParams)


class LaneOperator:
    """Detectors and incidents of one lane."""

    def __init__(self, detectors: tuple[Detector, ...], incidents: Incidents) -> None:
        self._detectors = detectors
        self._incidents = incidents

    @property
    def versions(self) -> dict[str, str]:
        """Of everything that keeps state: its version, code and parameters."""
        detectors = {one.name: f"state {one.state_version}, {one.model_version}" for one in self._detectors}
        return {_NAME: f"state {_STATE_VERSION}", **detectors, "incidents": self._incidents.version}

    def process(self, batch: EventBatch) -> list[Emitted]:
        """What the batch gives rise to, in order. Does not change the batch."""
        noticed: list[Emitted | PersonSaid] = [one for detector in self._detectors for one in detector.process(batch)]
        noticed += said_by_people(batch)
        if len(noticed) > 1:
            noticed.sort(key=lambda one: one.order)
        incidents = self._incidents
        out: list[Emitted] = []
        for one in noticed:
            out += incidents.due(one.detected_ms)
            if isinstance(one, PersonSaid):
                out += incidents.heed(one)
            else:
                out.append(one)
                out += incidents.take(one)
        clock_ms = batch.clock_ms
        if clock_ms is not None:
            out += incidents.due(clock_ms)
        return out

    def snapshot(self) -> bytes:
        """The whole state of the lane: each part's own snapshot behind its length, so that none is pickled twice."""
        stream = io.BytesIO()
        stream.write(self._header())
        for part in self._parts():
            saved = part.snapshot()
            stream.write(len(saved).to_bytes(_LENGTH_BYTES, "little"))
            stream.write(saved)
            del saved  # hundreds of megabytes in a large lane: before the next one is made
        return stream.getvalue()

    def restore(self, saved: bytes) -> None:
        """Replace the state. :raises StateVersionError: of another version, of the lane or of a detector."""
        names = unpack(_NAME, _STATE_VERSION, saved)
        if names != [detector.name for detector in self._detectors]:
            raise StateVersionError(f"state is of the detectors {', '.join(names)}; rebuild it by replay")
        stream = io.BytesIO(saved)
        stream.seek(len(self._header()))
        for part in self._parts():
            part.restore(stream.read(int.from_bytes(stream.read(_LENGTH_BYTES), "little")))

    def _parts(self) -> tuple[Detector | Incidents, ...]:
        return (*self._detectors, self._incidents)

    def _header(self) -> bytes:
        return pack(_NAME, _STATE_VERSION, [detector.name for detector in self._detectors])


def build_lane(params: DetectorParams | None = None) -> LaneOperator:
    """A fresh lane operator."""
    params = params or DetectorParams()
    zone = params.timezone
    return LaneOperator(
        (
            DeviceOffline(replace(params.device_offline, timezone=zone)),
            NoiseLimit(replace(params.noise_limit, timezone=zone)),
            IrregularMovement(replace(params.irregular_movement, timezone=zone)),
        ),
        Incidents(params.incidents),
    )
