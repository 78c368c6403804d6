"""Where ingest's tests take place: when, where, and a log in memory that can be switched off."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.records import NewRecord
from schemas.topics import ALL_TOPICS
from streams.log import LogUnavailableError
from streams.log_memory import MemoryLog

NOW_MS = 1_790_000_000_000
SCOPE = "wuhu/jinghu/tingtang/jianyang/g03"


class FailingLog(MemoryLog):
    """Has every topic. Appends nothing while it is ``failing``."""

    failing = False

    def __init__(self, partitions: int) -> None:
        super().__init__(lambda: NOW_MS)
        self.create_topics(ALL_TOPICS, partitions)

    def append(self, records: Sequence[NewRecord]) -> list[int]:
        if self.failing:
            raise LogUnavailableError("switched off")
        return super().append(records)
