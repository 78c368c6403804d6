"""ClickHouse's compressed blocks (``compress=1``, ``decompress=1``): checksum, method, two sizes, data.

Layout of a block: CityHash128 of what follows (16 bytes, low half first), method (0x82 LZ4, 0x90 ZSTD, 0x02 none),
compressed size with these 9 bytes, size without compression (little-endian UInt32 both), data.
Source: ClickHouse ``CompressedWriteBuffer``, ``CompressedReadBufferBase``; CityHash 1.0.2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from importlib import import_module

import lz4.block
import zstandard

from projections.store.compression import too_large
from projections.store.errors import StoreError

_city_hash_128: Callable[[bytes], int] = import_module("clickhouse_cityhash.cityhash").CityHash128  # has no type stubs
_LZ4, _ZSTD, _NONE = 0x82, 0x90, 0x02
_HEAD = struct.Struct("<BII")
_CHECKSUM_BYTES = 16
BLOCK_BYTES = 1 << 20
_MAX_BLOCK_BYTES = 1 << 30  # as the engine


class NativeCompressor:
    """Cuts what it is given into blocks of at most 1 MiB, each compressed and summed by itself."""

    def compress(self, data: bytes) -> bytes:
        view = memoryview(data)
        return b"".join(_block(bytes(view[at : at + BLOCK_BYTES])) for at in range(0, len(view), BLOCK_BYTES))

    def finish(self) -> bytes:
        return b""


def _block(data: bytes) -> bytes:
    packed: bytes = lz4.block.compress(data, store_size=False)
    body = _HEAD.pack(_LZ4, len(packed) + _HEAD.size, len(data)) + packed
    return checksum(body) + body


def checksum(body: bytes) -> bytes:
    value = _city_hash_128(body)
    return struct.pack("<QQ", value >> 64, value & 0xFFFFFFFFFFFFFFFF)


def decompress_blocks(data: bytes, limit: int) -> bytes:
    """:raises StoreError: a wrong checksum (40), damaged data (271), or more than ``limit`` bytes of output."""
    parts: list[bytes] = []
    size, at = 0, 0
    while at < len(data):
        body_at = at + _CHECKSUM_BYTES
        if body_at + _HEAD.size > len(data):
            raise _damaged("a block header is cut off")
        method, packed_size, plain_size = _HEAD.unpack_from(data, body_at)
        end = body_at + packed_size
        if packed_size < _HEAD.size or end > len(data) or plain_size > _MAX_BLOCK_BYTES:
            raise _damaged("a block has an impossible size")
        size += plain_size
        if size > limit:
            raise too_large(limit)
        body = data[body_at:end]
        if checksum(body) != data[at:body_at]:
            raise StoreError(40, "CHECKSUM_DOESNT_MATCH", "Checksum doesn't match: corrupted data.", 400)
        parts.append(_plain(method, body[_HEAD.size :], plain_size))
        at = end
    return b"".join(parts)


def _plain(method: int, packed: bytes, plain_size: int) -> bytes:
    try:
        if method == _LZ4:
            plain = lz4.block.decompress(packed, uncompressed_size=plain_size)
        elif method == _ZSTD:
            plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=plain_size)
        elif method == _NONE:
            plain = packed
        else:
            raise StoreError(
                89, "UNKNOWN_COMPRESSION_METHOD", f"Unknown compression method 0x{method:02x} of a block.", 400
            )
    except (lz4.block.LZ4BlockError, zstandard.ZstdError) as error:
        raise _damaged(str(error)) from error
    if len(plain) != plain_size:
        raise _damaged("a block does not have the size that it states")
    return bytes(plain)


def _damaged(reason: str) -> StoreError:
    return StoreError(271, "CANNOT_DECOMPRESS", f"The compressed body cannot be read: {reason}.", 400)
