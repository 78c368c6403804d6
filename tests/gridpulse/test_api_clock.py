"""The API's event loop asks no broker what time it is, also where time is the log's."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from fastapi.testclient import TestClient

from gridpulse import adapters
from gridpulse.api_wiring import build_api
from gridpulse.settings import Settings
from schemas.event import tick_record
from schemas.records import TopicPartition
from schemas.topics import ALL_TOPICS, DOMAIN_TOPICS
from streams.keys import issue_key
from streams.log_memory import MemoryLog


class WatchedLog(MemoryLog):
    """Knows which threads asked for its time."""

    def __init__(self) -> None:
        super().__init__(lambda: 1_772_337_600_000)
        self.asked_by: set[str] = set()

    def last_recorded_time_ms(self, topics: Sequence[str]) -> dict[TopicPartition, int | None]:
        self.asked_by.add(threading.current_thread().name)
        return super().last_recorded_time_ms(topics)


def test_the_logs_time_is_not_asked_for_on_the_event_loop(tmp_path: Path) -> None:
    log = WatchedLog()
    log.create_topics(ALL_TOPICS, 2)
    log.append([tick_record(DOMAIN_TOPICS[0], 0, 1_772_337_600_000)])
    settings = Settings(data_dir=tmp_path, clock="log", clickhouse_url="http://nobody@127.0.0.1:1/none")
    key, _ = issue_key(log, "reader", "")
    clock = adapters.the_clock(settings, log)
    with adapters.waitless(settings, clock) as waitless:
        http = TestClient(build_api(settings, log, clock, waitless), headers={"X-API-Key": key})
        log.asked_by.clear()
        # The log says that it is 04:00, so that -1h is 03:00. Nobody answers at the store's address.
        for to, status in (("2026-03-01T03:00:01Z", 503), ("2026-03-01T03:00:00Z", 422)):
            answer = http.get("/v1/metrics/noise_laeq", params={"from": "-1h", "to": to})
            assert answer.status_code == status, answer.text
        assert log.asked_by <= {"clock"}
