"""Compression both ways, ClickHouse's block format, and their limits; no sockets."""

from __future__ import annotations

import gzip
import zlib

import lz4.frame
import pytest
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

from projections.store.compression import ENCODINGS, compressor, decompress, negotiate
from projections.store.errors import StoreError
from projections.store.native_blocks import NativeCompressor, checksum, decompress_blocks

LIMIT = 1 << 24
PLAIN = b"".join(b"%d,noise,%d\n" % (n, n * n) for n in range(100_000))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_compressed_comes_back(encoding: str) -> None:
    coder = compressor(encoding)
    packed = b"".join(coder.compress(PLAIN[at : at + 70_000]) for at in range(0, len(PLAIN), 70_000)) + coder.finish()
    assert len(packed) < len(PLAIN) * 0.6
    assert decompress(encoding, packed, LIMIT) == PLAIN


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_empty_answer_is_a_complete_stream(encoding: str) -> None:
    coder = compressor(encoding)
    assert decompress(encoding, coder.compress(b"") + coder.finish(), LIMIT) == b""


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("lz4", lz4.frame.compress), ("zstd", zstandard.compress), ("deflate", zlib.compress)],
)
def test_several_frames_are_one_body(encoding: str, pack: object) -> None:
    assert callable(pack)
    assert decompress(encoding, pack(b"one ") + pack(b"two"), LIMIT) == b"one two"


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("lz4", lz4.frame.compress), ("zstd", zstandard.compress), ("deflate", zlib.compress)],
)
def test_a_bomb_stops_at_the_limit(encoding: str, pack: object) -> None:
    assert callable(pack)
    bomb = pack(b"\0" * (64 << 20))
    with pytest.raises(StoreError) as refusal:
        decompress(encoding, bomb, 1 << 20)
    assert refusal.value.status == 413


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "deflate"])
def test_a_truncated_body_is_an_error_and_not_less_data(encoding: str) -> None:
    coder = compressor(encoding)
    packed = coder.compress(PLAIN) + coder.finish()
    with pytest.raises(StoreError) as refusal:
        decompress(encoding, packed[: len(packed) // 2], LIMIT)
    assert refusal.value.code == 271


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_garbage_is_an_error(encoding: str) -> None:
    with pytest.raises(StoreError) as refusal:
        decompress(encoding, b"this is not compressed at all", LIMIT)
    assert refusal.value.code == 271


def test_an_unknown_coding_is_named() -> None:
    with pytest.raises(StoreError, match="snappy"):
        decompress("snappy", b"x", LIMIT)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [("gzip", "gzip"), ("lz4,zstd,gzip", "zstd"), ("gzip;q=1, deflate", "gzip"), ("br", None), ("", None)],
)
def test_negotiation(accept: str, chosen: str | None) -> None:
    assert negotiate(accept) == chosen


def test_blocks_come_back_and_are_cut() -> None:
    packed = NativeCompressor().compress(PLAIN)
    assert packed.count(b"\x82") >= 2
    assert decompress_blocks(packed, LIMIT) == PLAIN


def test_city_hash_is_the_one_of_clickhouse() -> None:
    """A block that ClickHouse's own client wrote for ``SELECT 1 FORMAT TSV`` would carry this very sum."""
    assert checksum(b"") == CityHash128(b"").to_bytes(16, "little")[8:] + CityHash128(b"").to_bytes(16, "little")[:8]


@pytest.mark.parametrize(("at", "code"), [(0, 40), (20, 40), (40, 40)])
def test_a_flipped_bit_is_noticed(at: int, code: int) -> None:
    packed = bytearray(NativeCompressor().compress(b"some data, some data, some data, some more data"))
    packed[at] ^= 1
    with pytest.raises(StoreError) as refusal:
        decompress_blocks(bytes(packed), LIMIT)
    assert refusal.value.code in (code, 271)


def test_blocks_respect_the_limit() -> None:
    with pytest.raises(StoreError) as refusal:
        decompress_blocks(NativeCompressor().compress(b"\0" * (8 << 20)), 1 << 20)
    assert refusal.value.status == 413


def test_a_block_with_a_forged_size_is_refused() -> None:
    body = b"\x82" + (9 + 4).to_bytes(4, "little") + (50).to_bytes(4, "little") + b"\x40abcd"[:4]
    with pytest.raises(StoreError) as refusal:
        decompress_blocks(checksum(body) + body, LIMIT)
    assert refusal.value.code == 271
