"""What to know when a run is compared: said beside the difference, so that nobody reads too much into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from projections.client import Client
from projections.progress import queryable
from replay.run_spec import LIVE, RunSpec
from schemas.records import TopicPartition
from schemas.topics import COMMUNITY_LEVELS, topic_of
from streams.log import EventLog

_SAID_TOPICS = (topic_of("detections"), topic_of("alerts"))


def notes_on(spec: RunSpec, base: str, other: RunSpec | None) -> list[str]:
    """Where a run and its base (``other``: None for live) are not like with like by what was asked of them."""
    notes = []
    if (spec.types, spec.keys) != ((), ()) if other is None else (spec.types, spec.keys) != (other.types, other.keys):
        notes.append(
            "按类型或对象筛选:两侧检测器的输入不同,差异不全是参数所致 · filtered by type or key: the two sides' "
            "detectors did not see the same events, so not every difference comes from the parameters"
        )
    if any(scope.count("/") >= COMMUNITY_LEVELS for scope in spec.scopes):
        notes.append(
            "按网格筛选:跨网格的网关与场所未见全貌 · filtered below the community: gateways and sites that span grids "
            "were not seen whole"
        )
    if spec.warm_up_ms is not None:
        notes.append(
            "缩短了预热:检测器所学较少 · shortened warm-up: the detectors had less to learn from than live"
            if base == LIVE
            else "缩短了预热:检测器所学较少 · shortened warm-up: the detectors had less to learn from"
        )
    return notes


def notes_of_lag(live: Client, log: EventLog, reached: Mapping[TopicPartition, int]) -> list[str]:
    """Whether live had not yet done what the run has: then it is live's rows that are missing."""
    said = log.end_offsets(_SAID_TOPICS)
    behind = _behind(live, reached.items()) + _behind(live, said.items())
    if not behind:
        return []
    return [
        f"实时处理尚落后 {behind:,} 条记录,请稍后再比较 · live was {behind:,} records behind: compare again later with "
        "`gridpulse runs diff`"
    ]


def _behind(live: Client, wanted: Iterable[tuple[TopicPartition, int]]) -> int:
    done = queryable(live)
    return sum(max(0, end - done.get(where, 0)) for where, end in wanted)
