"""What was stored once is read for ever: every version ever, dead records, ticks, binary mode, duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.base import JsonObject
from schemas.catalogue import BY_NAME
from schemas.codec import Decoder
from schemas.compatibility import STORED
from schemas.families.readings import Heartbeat
from schemas.golden_log import (
    LOG,
    ROWS,
    SEAL,
    decoded,
    extend,
    golden_records,
    golden_rows,
    lacking,
    shown,
    unsealed,
    wanted,
)
from schemas.shape import IncompatibleError
from schemas.strict import Limits

RECORDS = golden_records()


def upcast(row: JsonObject) -> JsonObject:
    """An expected row in its type's present latest version."""
    if "type" not in row:
        return row
    name, _, version = row["type"].rpartition(".v")
    data = row["data"]
    for step in BY_NAME[name].upcasters[int(version) - 1 :]:
        data = step(data)
    return {**row, "type": BY_NAME[name].wire_name, "data": data}


@pytest.mark.parametrize("min_fast_rows", [1, 1_000_000], ids=["fast", "strict"])
def test_every_stored_record_is_still_what_it_was(min_fast_rows: int) -> None:
    found = decoded(RECORDS, Decoder(Limits(), min_fast_rows))
    lines = set()
    for row in golden_rows():
        expected, actual = upcast(row), found[row["line"]]
        lines.add(row["line"])
        data = expected.pop("data", {})
        assert {"line": row["line"], **{name: value for name, value in actual.items() if name != "data"}} == expected
        now = actual.get("data", {})
        assert {name: now.get(name) for name in data} == data
        assert {value for name, value in now.items() if name not in data} <= {None}  # what came later was never said
    assert lines == set(range(len(RECORDS)))


def test_every_type_version_and_field_occurs_in_it() -> None:
    assert lacking() == []
    assert wanted() <= shown(RECORDS)


def test_it_holds_what_real_logs_hold() -> None:
    rows = golden_rows()
    kinds = Counter("dead" if "dead" in row else "tick" if "tick" in row else "event" for row in rows)
    assert min(kinds[kind] for kind in ("dead", "tick", "event")) >= 3
    assert any(name == "ce_specversion" for record in RECORDS for name, _ in record.headers)
    ids = Counter((row["type"], row["source"], row["id"]) for row in rows if "id" in row)
    assert max(ids.values()) == 2  # a duplicate
    later = [row["data"].get("detected_time_ms") for row in rows if "device_status" in row.get("type", "")]
    assert None in later
    assert any(later)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in (LOG, ROWS, SEAL):
        (tmp_path / name).write_bytes((STORED / name).read_bytes())
    return tmp_path


def edited(path: Path, edit: Callable[[bytes], bytes]) -> None:
    path.write_bytes(edit(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        (LOG, lambda text: text.replace(b"61.5", b"61.6") if b"61.5" in text else text.replace(b"1", b"2", 1)),
        (LOG, lambda text: b"".join(text.splitlines(keepends=True)[1:])),
        (ROWS, lambda text: text.replace(b'"dead"', b'"gone"', 1)),
        (ROWS, lambda text: text + b'{"line":0,"tick":true}\n'),
    ],
    ids=["a record changed", "a record removed", "a row changed", "a row added by hand"],
)
def test_a_changed_line_is_seen(copy: Path, name: str, edit: Callable[[bytes], bytes]) -> None:
    assert unsealed(copy) == []
    edited(copy / name, edit)
    assert unsealed(copy) == [name]
    with pytest.raises(IncompatibleError, match=f"{name} of the golden log was changed"):
        extend(copy)


def test_a_new_version_adds_lines_and_rows_and_keeps_the_old(copy: Path) -> None:
    """As if version 2 of heartbeats had just been declared: nothing shows it, and version 1 has no rows in it yet."""
    version_2 = f"{Heartbeat.type_name}.v2"
    kept = [line for line, one in enumerate(RECORDS) if version_2.encode() not in one.value]
    rows = [
        {**row, "line": kept.index(row["line"])}
        for row in golden_rows()
        if row["line"] in kept and row.get("type") != version_2
    ]
    (copy / LOG).write_bytes(b"".join(RECORDS[line].to_line() + b"\n" for line in kept))
    (copy / ROWS).write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    reseal(copy)
    before = (copy / LOG).read_bytes(), (copy / ROWS).read_bytes()
    assert any("heartbeat.v2" in one for one in lacking(copy))
    added = extend(copy)
    assert any("heartbeat.v2" in one for one in added)
    assert (copy / LOG).read_bytes().startswith(before[0])
    assert (copy / ROWS).read_bytes().startswith(before[1])
    assert unsealed(copy) == []
    assert {row["line"] for row in golden_rows(copy)} == set(range(len(golden_records(copy))))
    again = (copy / LOG).read_bytes(), (copy / ROWS).read_bytes(), (copy / SEAL).read_bytes()
    extend(copy)
    assert again == ((copy / LOG).read_bytes(), (copy / ROWS).read_bytes(), (copy / SEAL).read_bytes())


def reseal(directory: Path) -> None:
    from schemas.golden_log import write

    write(directory, [], [])


def test_without_an_example_it_says_which_file_to_write(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def more() -> set[tuple[str, str]]:
        return {*shown(RECORDS), ("cn.gridpulse.civic.fence.v1", "")}

    monkeypatch.setattr("schemas.golden_log.wanted", more)
    with pytest.raises(IncompatibleError, match=r"write schemas/golden/cn\.gridpulse\.civic\.fence\.v1") as caught:
        extend(copy)
    assert "--freeze" in str(caught.value)


def test_a_record_comes_back_from_its_line_as_it_was() -> None:
    lines: Any = (STORED / LOG).read_bytes().splitlines()
    assert [one.to_line() for one in RECORDS] == lines
