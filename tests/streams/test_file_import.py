"""Files: rows become events by a mapping, again gives duplicates, bad rows become dead letters with file and line."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from river.datasets import WaterFlow

from schemas.records import TopicPartition
from schemas.topics import ALL_TOPICS, topic_of
from streams.file_import import CsvMapping, ImportFileError, ImportReport, import_file, load_mapping
from streams.ingest import Ingest, IngestConfig
from streams.log_memory import MemoryLog
from streams.recent_ids import RecentIds

NOW_MS = 1_790_000_000_000
EXAMPLES = Path(__file__).parents[2] / "examples"
MAPPING = CsvMapping.model_validate(
    {
        "type": "cn.gridpulse.readings.measured.v1",
        "source": "//import/test",
        "scope": "wuhu/jinghu/tingtang/jianyang",
        "time": {"column": "when", "format": "%d.%m.%Y %H:%M", "timezone": "Asia/Shanghai"},
        "data": {
            "device": {"column": "dev"},
            "quantity": {"const": "temperature"},
            "value": {"column": "t", "as": "float"},
            "unit": {"const": "Cel"},
        },
    }
)


class Fixture:
    def __init__(self) -> None:
        self.log = MemoryLog(lambda: NOW_MS)
        self.log.create_topics(ALL_TOPICS, 1)
        self.ingest = Ingest(self.log, lambda: NOW_MS, IngestConfig(1), RecentIds(100_000))
        self.rows = 0

    def run(self, path: Path, mapping: CsvMapping | None) -> ImportReport:
        def progress(rows: int) -> None:
            self.rows += rows

        return import_file(path, mapping, self.ingest, self.log, lambda: NOW_MS, progress)

    def events(self, family: str) -> list[dict[str, Any]]:
        batch = self.log.read(TopicPartition(topic_of(family), 0), 0, 100_000)
        return [orjson.loads(value) for value in batch.values]


@pytest.fixture
def at() -> Fixture:
    return Fixture()


def test_csv_rows_become_events(at: Fixture, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\ufeffwhen,dev,t\n21.09.2026 08:00,d-1,21.5\n21.09.2026 09:00,d-2,22\n", "utf-8")
    report = at.run(path, MAPPING)
    assert (report.accepted, report.duplicate, report.rejected, at.rows) == (2, 0, 0, 2)
    first, second = at.events("readings")
    assert first["time"] == "2026-09-21T00:00:00.000Z"  # 08:00 in Shanghai
    assert first["data"] == {"device": "d-1", "quantity": "temperature", "value": 21.5, "unit": "Cel"}
    assert (first["id"], second["id"]) == ("t.csv:2", "t.csv:3")


def test_the_same_file_again_is_harmless(at: Fixture, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("when,dev,t\n21.09.2026 08:00,d-1,21.5\n")
    at.run(path, MAPPING)
    assert at.run(path, MAPPING).duplicate == 1
    assert len(at.events("readings")) == 1


def test_bad_rows_are_dead_letters_with_file_and_line_and_stop_nothing(at: Fixture, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "when,dev,t\nyesterday,d,1\n21.09.2026 08:00,d,warm\n21.09.2026 08:00,d,nan\n21.09.2026 08:00,d,5\n"
    )
    report = at.run(path, MAPPING)
    assert (report.accepted, report.rejected) == (1, 3)
    letters = [event["data"] for event in at.events("deadletters")]
    assert [letter["origin"] for letter in letters] == ["t.csv:2", "t.csv:3", "t.csv:4"]
    assert {letter["stage"] for letter in letters} == {"import"}
    assert "yesterday" in letters[0]["detail"]


def test_ndjson_lines_are_taken_as_they_are_even_packed(at: Fixture, tmp_path: Path) -> None:
    event = {
        "specversion": "1.0", "id": "x", "source": "//f", "type": "cn.gridpulse.readings.heartbeat.v1",
        "time": "2026-09-21T00:00:00Z", "scope": "wuhu", "data": {"device": "d", "battery_percent": 50.0},
    }  # fmt: skip
    path = tmp_path / "e.ndjson.gz"
    path.write_bytes(gzip.compress(orjson.dumps(event) + b"\n\nnot json\n"))
    report = at.run(path, None)
    assert (report.accepted, report.rejected) == (1, 1)
    (heartbeat,) = at.events("readings")
    assert heartbeat["type"].endswith(".v2")
    assert heartbeat["data"]["battery_ratio"] == 0.5
    (letter,) = at.events("deadletters")
    assert letter["data"]["origin"] == "e.ndjson.gz:3"


def test_a_missing_column_is_named(at: Fixture, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("when,dev\n21.09.2026 08:00,d\n")
    with pytest.raises(ImportFileError, match=r"t\.csv has no column t; it has when, dev"):
        at.run(path, MAPPING)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type: [", "not YAML"),
        ("type: x", "source: Field required"),
        ("{type: x, source: s, scope: w, time: {column: t}, data: {v: {}}}", "either const or column"),
        ("{type: x, source: s, scope: w, time: {column: t}, dat: {}, data: {}}", "dat: Extra inputs"),
    ],
)
def test_a_wrong_mapping_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(ImportFileError, match=message):
        load_mapping(path)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match=r"cannot read .*gone\.yaml: No such file"):
        load_mapping(tmp_path / "gone.yaml")


def test_rivers_water_flow_is_imported_whole(at: Fixture) -> None:
    report = at.run(Path(str(WaterFlow().path)), load_mapping(EXAMPLES / "water-flow" / "mapping.yaml"))
    assert (report.accepted, report.rejected) == (1268, 0)
    first = at.events("readings")[0]
    assert first["time"] == "2022-03-20T10:00:00.000Z"
    assert first["data"]["value"] == 100.59


def test_the_mapping_of_nab_names_the_device_after_the_file(at: Fixture, tmp_path: Path) -> None:
    path = tmp_path / "nyc_taxi.csv"
    path.write_text("timestamp,value\n2014-07-01 00:00:00,10844\n")
    at.run(path, load_mapping(EXAMPLES / "nab" / "mapping.yaml"))
    (event,) = at.events("readings")
    assert event["data"]["device"] == "nab:nyc_taxi"
    assert event["time"] == "2014-07-01T00:00:00.000Z"
