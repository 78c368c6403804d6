"""Compression of request and response bodies: HTTP content codings, and ClickHouse's own block format.

Every decoder is given the limit of its output and stops there: a small body cannot unfold into all memory.
Several frames one after the other are one body, as clients that compress block by block send them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import lz4.frame
import zstandard

from projections.store.errors import StoreError

_STEP = 1 << 20
ENCODINGS = ("zstd", "lz4", "gzip", "deflate")
"""Codings of this store in its own order of preference; ``br`` needs a package that is not among its dependencies."""


class Compressor(Protocol):
    def compress(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


def negotiate(accept_encoding: str) -> str | None:
    """The coding for an answer, as ClickHouse chooses: the first it knows in its own order, quality values ignored."""
    offered = {part.split(";")[0].strip().lower() for part in accept_encoding.split(",")}
    return next((encoding for encoding in ENCODINGS if encoding in offered), None)


class _Zlib:
    def __init__(self, wbits: int, level: int) -> None:
        self._coder = zlib.compressobj(level, zlib.DEFLATED, wbits)

    def compress(self, data: bytes) -> bytes:
        return self._coder.compress(data)

    def finish(self) -> bytes:
        return self._coder.flush()


class _Zstd:
    def __init__(self) -> None:
        self._coder = zstandard.ZstdCompressor(level=1).compressobj()

    def compress(self, data: bytes) -> bytes:
        return self._coder.compress(data)

    def finish(self) -> bytes:
        return self._coder.flush()


class _Lz4:
    def __init__(self) -> None:
        self._coder = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def compress(self, data: bytes) -> bytes:
        head = b"" if self._begun else bytes(self._coder.begin())
        self._begun = True
        return head + bytes(self._coder.compress(data))

    def finish(self) -> bytes:
        return self.compress(b"") + bytes(self._coder.flush())


def compressor(encoding: str, level: int = 3) -> Compressor:
    if encoding == "zstd":
        return _Zstd()
    if encoding == "lz4":
        return _Lz4()
    return _Zlib(31 if encoding == "gzip" else 15, level)


def too_large(limit: int) -> StoreError:
    return StoreError(307, "TOO_MANY_BYTES", f"The request body is larger than {limit} bytes.", status=413)


def decompress(encoding: str, data: bytes, limit: int) -> bytes:
    """:raises StoreError: unknown coding, damaged or truncated data, or more than ``limit`` bytes of output."""
    if encoding in ("", "identity"):
        return data
    if encoding not in _DECODERS:
        raise StoreError(
            89,
            "UNKNOWN_COMPRESSION_METHOD",
            f"Unknown compression method {encoding}; known here: {', '.join(ENCODINGS)}.",
            400,
        )
    parts: list[bytes] = []
    size = 0
    try:
        for part in _DECODERS[encoding](data, limit):
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
    except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError) as error:
        raise StoreError(
            271, "CANNOT_DECOMPRESS", f"The {encoding} body cannot be decompressed: {error}.", 400
        ) from error
    return b"".join(parts)


def _inflate(wbits: int) -> Callable[[bytes, int], Iterator[bytes]]:
    def parts(data: bytes, limit: int) -> Iterator[bytes]:
        del limit
        while data:
            coder = zlib.decompressobj(wbits)
            while data and not coder.eof:
                yield coder.decompress(data, _STEP)
                data = coder.unconsumed_tail or coder.unused_data
            if not coder.eof:
                yield coder.flush()
            if not coder.eof:
                raise EOFError("it ends too early")

    return parts


def _unzstd(data: bytes, limit: int) -> Iterator[bytes]:
    del limit
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data, read_across_frames=True)
    while part := reader.read(_STEP):
        yield part


def _unlz4(data: bytes, limit: int) -> Iterator[bytes]:
    del limit
    while data:
        coder = lz4.frame.LZ4FrameDecompressor()
        yield coder.decompress(data, _STEP)
        while not coder.eof and not coder.needs_input:
            yield coder.decompress(b"", _STEP)
        if not coder.eof:
            raise EOFError("it ends too early")
        data = coder.unused_data or b""


_DECODERS: dict[str, Callable[[bytes, int], Iterator[bytes]]] = {
    "gzip": _inflate(31),
    "deflate": _inflate(47),  # 15 + 32: zlib or gzip header
    "zstd": _unzstd,
    "lz4": _unlz4,
}
