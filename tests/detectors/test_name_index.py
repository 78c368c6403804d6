"""Names to rows: the same as a dictionary does it, whatever is added, removed, saved and restored."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from detectors.name_index import NameIndex

ODD = ["", "a", "a\0", "a\0\0", "aaaaaaaa", "aaaaaaaaa", "设备", "设备" * 30, "x" * 400]


def pool(rng: random.Random) -> list[str]:
    """Names of all lengths, many with the same first words."""
    return [*ODD, *dict.fromkeys(f"n{n % 500}" * rng.randrange(1, 9) + f"-{n}" * (n % 3) for n in range(2000))]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_as_a_dictionary(seed: int) -> None:
    rng = random.Random(seed)
    names = list(dict.fromkeys(pool(rng)))
    index, rows = NameIndex(), dict[str, int]()
    for step in range(6000):
        name = rng.choice(names)
        if name not in rows:
            rows[name] = index.add(name)
        elif rng.random() < 0.6:
            index.remove(rows.pop(name))
        if step % 500 == 0:
            new = [one for one in rng.sample(names, 40) if one not in rows]
            rows.update(zip(new, index.add_all(pa.array(new, pa.string())).tolist(), strict=True))
            same(index, names, rows)
            index = NameIndex(index.saved())
            same(index, names, rows)
    assert len(set(rows.values())) == len(rows)


def same(index: NameIndex, names: list[str], rows: dict[str, int]) -> None:
    expected = [rows.get(name, -1) for name in names]
    assert len(index) == len(rows)
    assert index.rows_of(pa.array(names)).tolist() == expected
    assert index.rows_of(pa.chunked_array([names[:7], [], names[7:]]).slice(3)).tolist() == expected[3:]
    assert [index.row_of(name) for name in names] == expected
    assert all(index.name_of(row) == name for name, row in rows.items())


def test_dictionaries_of_arrow_and_nothing_at_all() -> None:
    index = NameIndex()
    assert index.rows_of(pa.array([], pa.string())).tolist() == []
    assert index.rows_of(pa.array(["a", ""])).tolist() == [-1, -1]
    row = index.add("a")
    assert index.rows_of(pa.array(["b", "a", "a"]).dictionary_encode()).tolist() == [-1, row, row]
    with pytest.raises(ValueError, match="too long"):
        index.add("x" * 70_000)


def test_memory_does_not_grow_with_names_that_come_and_go() -> None:
    index = NameIndex()
    sizes = []
    for turn in range(30):
        rows = [index.add(f"device-{turn}-{n}") for n in range(500)]
        for row in rows:
            index.remove(row)
        sizes.append(index.nbytes)
    assert sizes[-1] == sizes[9]
    assert index.rows == 500
