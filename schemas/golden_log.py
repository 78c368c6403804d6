"""The golden log: a small log with records of every type, version and field that ever was, and what they decode to.

``schemas/stored/log.jsonl``   one record a line, as it lies in the log; ``rows.jsonl``: what each line decodes to, by
the type's version that was the latest when the row was written. ``seal.json``: their hashes. Lines are only ever
added (``python -m schemas.compatibility --freeze``): whatever decoded once decodes for ever, to the same.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from schemas.base import JsonObject
from schemas.catalogue import BY_NAME, EVENT_TYPES
from schemas.codec import Decoder
from schemas.compatibility import STORED
from schemas.golden import golden_examples
from schemas.records import Headers, RawBatch
from schemas.shape import IncompatibleError
from schemas.strict import Limits
from schemas.times import parse_rfc3339_ms
from schemas.topics import partition_key, partition_of, topic_of

LOG, ROWS, SEAL = "log.jsonl", "rows.jsonl", "seal.json"
PARTITIONS = 2
FIRST_MS = 1_777_593_600_000  # the time of the golden examples: 2026-05-01 08:00 in Wuhu
STEP_MS = 1_000


@dataclass(frozen=True, slots=True)
class GoldenRecord:
    """One line of the log."""

    topic: str
    partition: int
    offset: int
    recorded_time_ms: int
    value: bytes
    headers: Headers = ()

    def to_line(self) -> bytes:
        document: JsonObject = {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "recorded_time_ms": self.recorded_time_ms,
        }
        try:
            document["value"] = self.value.decode()
        except UnicodeDecodeError:
            document["value_base64"] = base64.b64encode(self.value).decode()
        if self.headers:
            document["headers"] = [[name, content.decode()] for name, content in self.headers]
        return orjson.dumps(document)

    @classmethod
    def of_line(cls, line: bytes) -> GoldenRecord:
        document = orjson.loads(line)
        value = document["value"].encode() if "value" in document else base64.b64decode(document["value_base64"])
        headers = tuple((name, content.encode()) for name, content in document.get("headers", ()))
        return cls(
            document["topic"], document["partition"], document["offset"], document["recorded_time_ms"], value, headers
        )


def golden_records(directory: Path = STORED) -> list[GoldenRecord]:
    """The log, in the order of its lines."""
    return [GoldenRecord.of_line(line) for line in _lines(directory / LOG)]


def golden_rows(directory: Path = STORED) -> list[JsonObject]:
    """What the lines decode to; a line may have several rows, one by each version that was the latest."""
    return [orjson.loads(line) for line in _lines(directory / ROWS)]


def decoded(records: Sequence[GoldenRecord], decoder: Decoder) -> list[JsonObject]:
    """What each record is to this code, in order: an event in its latest version, a tick, or dead with a reason."""
    by_place: dict[tuple[str, int, int], JsonObject] = {}
    for batch in batches(records):
        result = decoder.decode(batch)
        for typed in result.events.types.values():
            wire_name = BY_NAME[typed.type_name].wire_name
            for envelope, data in zip(typed.envelope.to_pylist(), typed.data.to_pylist(), strict=True):
                place = (envelope.pop("topic"), envelope.pop("partition"), envelope.pop("offset"))
                by_place[place] = {"type": wire_name, **envelope, "data": data}
        for dead in result.dead:
            by_place[dead.topic, dead.partition, dead.offset] = {"dead": dead.reason.value}
    nothing: JsonObject = {"tick": True}
    return [by_place.get((one.topic, one.partition, one.offset), nothing) for one in records]


def batches(records: Iterable[GoldenRecord]) -> list[RawBatch]:
    """The records as the log's partitions give them."""
    parts: dict[tuple[str, int], list[GoldenRecord]] = {}
    for record in records:
        parts.setdefault((record.topic, record.partition), []).append(record)
    return [
        RawBatch.of(
            topic,
            partition,
            [one.offset for one in part],
            [one.recorded_time_ms for one in part],
            [one.value for one in part],
            [one.headers for one in part],
        )
        for (topic, partition), part in parts.items()
    ]


def shown(records: Iterable[GoldenRecord]) -> set[tuple[str, str]]:
    """Which fields of which wire names have a value somewhere; the empty field name stands for the event as such."""
    found: set[tuple[str, str]] = set()
    for record in records:
        headers = {name: content.decode() for name, content in record.headers}
        try:
            document = orjson.loads(record.value)
        except orjson.JSONDecodeError:
            continue
        if not isinstance(document, dict):
            continue
        wire_name = headers.get("ce_type") or document.get("type")
        data = document if "ce_type" in headers else document.get("data")
        if isinstance(wire_name, str) and isinstance(data, dict):
            found |= {(wire_name, ""), *((wire_name, name) for name, value in data.items() if value is not None)}
    return found


def wanted() -> set[tuple[str, str]]:
    """What the log must show: every field of every type and version."""
    return {
        (f"{event_type.name}.v{model.version}", name)
        for event_type in EVENT_TYPES
        for model in event_type.models
        for name in ("", *model.model_fields)
    }


def unsealed(directory: Path = STORED) -> list[str]:
    """Files whose sealed lines are not what they were, or that have lines beyond the seal."""
    seal = orjson.loads((directory / SEAL).read_bytes())
    return [name for name in (LOG, ROWS) if _sealed(_lines(directory / name)) != seal[name]]


def lacking(directory: Path = STORED) -> list[str]:
    """What is wrong with the files themselves: a changed line, or something that no line shows."""
    found = [f"{name} of the golden log was changed: put back the committed lines" for name in unsealed(directory)]
    missing = wanted() - shown(golden_records(directory))
    return found + [needs_example(*one) for one in sorted(missing) if not one[1] or (one[0], "") not in missing]


def extend(directory: Path = STORED) -> list[str]:
    """Add golden examples of what the log does not show yet, and rows of every line by the latest versions.

    :raises IncompatibleError: a line was changed, an example is missing or one is not accepted; nothing was added.
    """
    if changed := unsealed(directory):
        raise IncompatibleError(f"{', '.join(changed)} of the golden log was changed: put back the committed lines")
    records = golden_records(directory)
    new = _new_records(records)
    if missing := sorted(wanted() - shown([*records, *new])):
        raise IncompatibleError("\n".join(needs_example(*one) for one in missing))
    rows = _new_rows([*records, *new], golden_rows(directory))
    write(directory, new, rows)
    return [f"{orjson.loads(one.value)['type']} in {one.topic}" for one in new]


def needs_example(wire_name: str, field: str) -> str:
    """What to do when the golden log does not show something."""
    what = f"the field {field} of {wire_name}" if field else wire_name
    return (
        f"no golden example shows {what}: write schemas/golden/{wire_name}[.<what>].json with it, then run "
        "`python -m schemas.compatibility --freeze`"
    )


def write(directory: Path, records: Sequence[GoldenRecord], rows: Sequence[JsonObject]) -> None:
    """Add lines, and seal them."""
    seal = {}
    for name, lines in ((LOG, [one.to_line() for one in records]), (ROWS, [orjson.dumps(row) for row in rows])):
        path = directory / name
        with path.open("ab") as file:
            file.writelines(line + b"\n" for line in lines)
        seal[name] = _sealed(_lines(path))
    (directory / SEAL).write_bytes(orjson.dumps(seal, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _new_records(records: Sequence[GoldenRecord]) -> list[GoldenRecord]:
    ends = defaultdict(int, {(one.topic, one.partition): one.offset + 1 for one in records})
    now_ms = max((one.recorded_time_ms for one in records), default=FIRST_MS)
    have, new = shown(records), []
    for wire_name, values in golden_examples().items():
        for document in map(orjson.loads, values):
            shows = {(wire_name, ""), *((wire_name, name) for name in document["data"])}
            if shows <= have:
                continue
            have |= shows
            happened_ms = parse_rfc3339_ms(document["time"]) if "time" in document else now_ms
            now_ms = max(now_ms, happened_ms) + STEP_MS
            key = partition_key(document["scope"]).encode()
            place = (topic_of(wire_name.split(".")[2]), partition_of(key, PARTITIONS))
            new.append(GoldenRecord(*place, ends[place], now_ms, orjson.dumps(document)))
            ends[place] += 1
    return new


def _new_rows(records: Sequence[GoldenRecord], rows: Sequence[JsonObject]) -> list[JsonObject]:
    known = {(row["line"], row.get("type")) for row in rows}
    old_lines = {row["line"] for row in rows}
    new = []
    for line, row in enumerate(decoded(records, Decoder(Limits()))):
        if (line, row.get("type")) in known:
            continue
        if "dead" in row:
            was = "a stored event is" if line in old_lines else "a golden example is"
            raise IncompatibleError(f"{was} refused ({row['dead']}): {records[line].value.decode()}")
        new.append({"line": line, **row})
    return new


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def _sealed(lines: Sequence[bytes]) -> JsonObject:
    return {"lines": len(lines), "sha256": hashlib.sha256(b"\n".join(lines)).hexdigest()}
