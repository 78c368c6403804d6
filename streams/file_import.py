"""``gridpulse import``: events from NDJSON and CSV files, through ingest.

NDJSON: one structured CloudEvent per line. CSV needs a mapping file (YAML) that says how a row becomes an event::

    type: cn.gridpulse.readings.measured.v1
    source: //import/water-flow
    scope: wuhu/jinghu/tingtang/jianyang/g01
    id: "{file}:{line}"                    # default; {stem}, {line} and {column} names work here and in const texts
    time: {column: Time, format: "%Y-%m-%d %H:%M:%S", timezone: Asia/Shanghai}   # no format: ISO 8601
    data:
      device: {const: water-main-1}
      value: {column: Flow, as: float}     # as: str (default), int, float, bool

The same file again gives the same ids, so importing twice is harmless. Rows that can't be taken become dead letters
with ``file:line`` as their origin and stop nothing.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.records import NewRecord
from streams.ingest import dead_letter_record
from streams.log import EventLog
from streams.ports import IngestPort, RawEvent

BATCH_EVENTS = 2000
Scalar = str | int | float | bool | None


class ImportFileError(Exception):
    """The file or its mapping can't be used; the message says what to change."""


class TimeMapping(BaseModel):
    """Where the event time stands. Times without an offset are in ``timezone``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    column: str
    format: str | None = None
    timezone: str = "Asia/Shanghai"


class FieldMapping(BaseModel):
    """One data field: a constant, or a column read as a type. Empty cells are left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    const: Scalar = None
    column: str | None = None
    kind: Literal["str", "int", "float", "bool"] = Field("str", alias="as")

    @model_validator(mode="after")
    def _one_of_both(self) -> FieldMapping:
        if (self.const is None) == (self.column is None):
            raise ValueError("give either const or column")
        return self


class CsvMapping(BaseModel):
    """How a CSV row becomes an event."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: str
    source: str
    scope: str
    id: str = "{file}:{line}"
    time: TimeMapping
    data: dict[str, FieldMapping]


@dataclass(slots=True)
class ImportReport:
    """What became of a file's rows."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One line: an event to be offered, or why it can't be one."""

    line: int
    value: bytes
    fault: str | None = None


def load_mapping(path: Path) -> CsvMapping:
    """:raises ImportFileError: names the key that is wrong."""
    try:
        return CsvMapping.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except OSError as error:
        raise ImportFileError(f"cannot read the mapping {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ImportFileError(f"the mapping {path} is not YAML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'file'}: {p['msg']}" for p in error.errors())
        raise ImportFileError(f"the mapping {path} is wrong: {problems}") from error


def import_file(
    path: Path,
    mapping: CsvMapping | None,
    ingest: IngestPort,
    log: EventLog,
    clock: Callable[[], int],
    progress: Callable[[int], None],
) -> ImportReport:
    """Offer every row to ingest; ``progress`` is told how many rows were added since the last call.

    :raises ImportFileError: the file can't be read or lacks a mapped column.
    """
    rows = csv_rows(path, mapping) if mapping is not None else ndjson_rows(path)
    report = ImportReport()
    for batch in _batched(rows):
        _take(batch, path, ingest, log, clock, report)
        progress(len(batch))
    return report


def _batched(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(itertools.islice(iterator, BATCH_EVENTS)):
        yield batch


def _take(
    rows: list[Row], path: Path, ingest: IngestPort, log: EventLog, clock: Callable[[], int], report: ImportReport
) -> None:
    sound = [row for row in rows if row.fault is None]
    answers = ingest.accept([RawEvent(row.value) for row in sound], "")
    letters: list[NewRecord] = []
    for row in rows:
        if row.fault is not None:
            letters.append(_letter(path, row, "invalid_data", row.fault, clock()))
    for row, answer in zip(sound, answers, strict=True):
        if answer.status == "rejected":
            letters.append(_letter(path, row, answer.reason or "invalid_data", answer.detail or "", clock()))
        elif answer.status == "duplicate":
            report.duplicate += 1
        else:
            report.accepted += 1
    report.rejected += len(letters)
    if letters:
        log.append(letters)


def _letter(path: Path, row: Row, reason: str, detail: str, now_ms: int) -> NewRecord:
    return dead_letter_record("import", reason, detail, f"{path.name}:{row.line}", row.value, 0, now_ms)


def ndjson_rows(path: Path) -> Iterator[Row]:
    """Lines as they are; blank lines are passed over."""
    with _open(path) as file:
        for line, value in enumerate(file, 1):
            if value.strip():
                yield Row(line, value.strip())


def csv_rows(path: Path, mapping: CsvMapping) -> Iterator[Row]:
    """Rows as structured events. The header line is line 1."""
    with _open(path) as raw:
        lines = (line.decode("utf-8-sig" if number == 0 else "utf-8", "replace") for number, line in enumerate(raw))
        reader = csv.DictReader(lines)
        _check_columns(path, mapping, reader.fieldnames or [])
        for cells in reader:
            yield _to_row(path, mapping, reader.line_num, cells)


def _check_columns(path: Path, mapping: CsvMapping, present: Iterable[str]) -> None:
    wanted = {mapping.time.column, *(f.column for f in mapping.data.values() if f.column is not None)}
    if missing := sorted(wanted - set(present)):
        raise ImportFileError(f"{path.name} has no column {', '.join(missing)}; it has {', '.join(present)}")


def _to_row(path: Path, mapping: CsvMapping, line: int, cells: dict[str, Any]) -> Row:
    raw = orjson.dumps(cells, option=orjson.OPT_NON_STR_KEYS)
    try:
        event = {
            "specversion": "1.0",
            "id": _filled(mapping.id, path, line, cells),
            "source": mapping.source,
            "type": mapping.type,
            "scope": mapping.scope,
            "time": _time(mapping.time, cells[mapping.time.column]),
            "data": {
                name: value for name, f in mapping.data.items() if (value := _value(f, cells, path, line)) is not None
            },
        }
    except (ValueError, TypeError, KeyError, IndexError) as error:
        return Row(line, raw, f"{error}")
    return Row(line, orjson.dumps(event))


def _time(mapping: TimeMapping, text: str) -> str:
    time = datetime.strptime(text, mapping.format) if mapping.format else datetime.fromisoformat(text)  # noqa: DTZ007
    if time.tzinfo is None:
        try:
            time = time.replace(tzinfo=ZoneInfo(mapping.timezone))
        except ZoneInfoNotFoundError as error:
            raise ImportFileError(f"no such time zone: {mapping.timezone}") from error
    return time.isoformat()


def _filled(template: str, path: Path, line: int, cells: dict[str, Any]) -> str:
    names = {str(name): cell for name, cell in cells.items() if name}
    return template.format_map({**names, "file": path.name, "stem": path.name.split(".")[0], "line": line})


def _value(mapping: FieldMapping, cells: dict[str, Any], path: Path, line: int) -> Scalar:
    if mapping.column is None:
        return _filled(mapping.const, path, line, cells) if isinstance(mapping.const, str) else mapping.const
    text = cells[mapping.column]
    if text is None or text == "":
        return None
    if mapping.kind == "int":
        return int(text)
    if mapping.kind == "float":
        if not math.isfinite(number := float(text)):
            raise ValueError(f"{mapping.column}: {text} is not a finite number")
        return number
    if mapping.kind == "bool":
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    return cast(str, text)


def _open(path: Path) -> IO[bytes]:
    try:
        return cast(IO[bytes], gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb"))
    except OSError as error:
        raise ImportFileError(f"cannot read {path}: {error.strerror}") from error
