"""The ASGI application: ClickHouse's HTTP interface over :mod:`projections.store.execution`.

Answers that are complete within the first 256 KiB, or with ``wait_end_of_query=1``, carry their length and summary;
larger ones are streamed, and an error in their middle follows as a tagged block, after which the connection is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from projections.store.auth import Account, authenticate
from projections.store.compression import Compressor, compressor, negotiate
from projections.store.errors import StoreError
from projections.store.execution import Run, StoreParts, summary
from projections.store.http_request import QueryRequest, header_map, read_request
from projections.store.native_blocks import NativeCompressor
from projections.store.running import Gate

log = logging.getLogger(__name__)
_FIRST_BYTES = 256 * 1024
_SPOOL_BYTES = 64 * 1024 * 1024
_READ_BYTES = 1024 * 1024
_SHORT_WORDS = frozenset({b"INSERT", b"KILL"})  # must get through while long queries hold all other places
_GONE = 499  # nobody reads it
_T = TypeVar("_T")


class _Lane:
    """Threads and places of one kind of request: readers' queries, other statements, or inserts."""

    def __init__(self, name: str, parts: StoreParts) -> None:
        config = parts.config
        self.gate = Gate(config.max_concurrent_queries, config.max_waiting_queries)
        self.threads = ThreadPoolExecutor(config.max_concurrent_queries, thread_name_prefix=f"store-{name}")

    async def call(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)


class StoreApp:
    def __init__(self, parts: StoreParts) -> None:
        self._parts = parts
        self._lanes = {name: _Lane(name, parts) for name in ("reader", "writer", "insert")}

    def asgi(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/ping", self._ping, methods=["GET", "HEAD"]),
                Route("/replicas_status", self._ping, methods=["GET", "HEAD"]),
                Route("/", self._query, methods=["GET", "HEAD", "POST"]),
            ]
        )

    def close(self) -> None:
        for lane in self._lanes.values():
            lane.threads.shutdown(wait=True, cancel_futures=True)

    async def _ping(self, request: Request) -> Response:
        del request
        return PlainTextResponse("Ok.\n", media_type="text/html")

    async def _query(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD") and not request.query_params:
            return await self._ping(request)
        query_id = request.query_params.get("query_id") or str(uuid.uuid4())
        try:
            account = authenticate(self._parts.config.users, header_map(request), request.query_params)
            asked = await read_request(request, self._parts.config.max_body_bytes)
            return await self._answer(request, account, asked, query_id)
        except StoreError as error:
            return self._error(error, query_id)
        except ClientDisconnect:  # before its request was whole: nothing was begun
            return Response(status_code=_GONE)

    async def _answer(self, http: Request, account: Account, asked: QueryRequest, query_id: str) -> Response:
        run = Run(self._parts, account, asked, query_id)
        self._parts.running.enter(query_id, run.marker)
        lane = self._lane(account, asked)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._parts.running.leave, query_id)
            await stack.enter_async_context(lane.gate)
            stack.push_async_callback(_close, lane, run)
            watcher = asyncio.create_task(self._kill_when_gone(http, run)) if asked.cancel_on_close else None
            try:
                head, spool = await lane.call(lambda: _begin(run, asked.wait_end_of_query))
            finally:
                if watcher is not None:
                    watcher.cancel()
            headers = self._headers(run, query_id)
            pack = _packer(
                asked, http.headers.get("accept-encoding", ""), headers, has_body=run.format_name is not None
            )
            if spool is None and head.complete:
                headers["X-ClickHouse-Summary"] = json.dumps(summary(run.counts))
                body = await lane.call(lambda: pack.compress(head.data) + pack.finish()) if pack else head.data
                return Response(body, headers=headers)
            if head.complete:
                headers["X-ClickHouse-Summary"] = json.dumps(summary(run.counts))
            tag = secrets.token_hex(8)
            headers["X-ClickHouse-Exception-Tag"] = tag
            later = stack.pop_all()
            chunks = _spooled(spool) if spool is not None else self._chunks(lane, run, head.data)
            return _OwningResponse(self._streamed(chunks, pack, tag), headers, later)
        raise AssertionError("unreachable: the stack suppresses nothing")

    def _lane(self, account: Account, asked: QueryRequest) -> _Lane:
        if account.readonly:
            return self._lanes["reader"]
        return self._lanes["insert" if asked.first_word in _SHORT_WORDS else "writer"]

    async def _chunks(self, lane: _Lane, run: Run, first: bytes) -> AsyncIterator[bytes]:
        yield first
        while (chunk := await lane.call(run.next_chunk)) is not None:
            yield chunk

    async def _streamed(self, chunks: AsyncIterator[bytes], pack: Compressor | None, tag: str) -> AsyncIterator[bytes]:
        try:
            async for chunk in chunks:
                packed = await asyncio.to_thread(pack.compress, chunk) if pack else chunk
                if packed:
                    yield packed
            if pack:
                yield pack.finish()
        except StoreError as error:
            block = _tagged(error.body(self._parts.engine.version), tag)
            yield pack.compress(block) + pack.finish() if pack else block
            raise

    async def _kill_when_gone(self, http: Request, run: Run) -> None:
        """The client asked that its query ends with its connection."""
        while (await http.receive())["type"] != "http.disconnect":
            pass
        if run.readonly_query:
            await asyncio.to_thread(self._parts.engine.kill, run.marker)

    def _headers(self, run: Run, query_id: str) -> dict[str, str]:
        headers = self._common_headers(query_id)
        if run.format_name is not None:
            headers["X-ClickHouse-Format"] = run.format_name
            headers["Content-Type"] = self._parts.engine.content_types.get(run.format_name, "text/plain; charset=UTF-8")
        else:
            headers["Content-Type"] = "text/plain; charset=UTF-8"
        return headers

    def _common_headers(self, query_id: str) -> dict[str, str]:
        return {
            "X-ClickHouse-Query-Id": _header_safe(query_id),
            "X-ClickHouse-Timezone": self._parts.engine.timezone,
            "X-ClickHouse-Server-Display-Name": "gridpulse-store",
        }

    def _error(self, error: StoreError, query_id: str) -> Response:
        headers = self._common_headers(query_id) | {"X-ClickHouse-Exception-Code": str(error.code)}
        if error.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        body = error.body(self._parts.engine.version)
        return PlainTextResponse(body, status_code=error.status, headers=headers)


class _OwningResponse(StreamingResponse):
    """A streamed answer that gives back what it holds however it ends, also when its client left before a byte came."""

    def __init__(self, parts: AsyncIterator[bytes], headers: dict[str, str], owned: contextlib.AsyncExitStack) -> None:
        super().__init__(parts, headers=headers)
        self._owned = owned

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.shield(asyncio.ensure_future(self._owned.aclose()))


class _Head:
    def __init__(self, data: bytes, complete: bool) -> None:
        self.data = data
        self.complete = complete


async def _close(lane: _Lane, run: Run) -> None:
    if not run.closed:  # a statement that failed, or was streamed
        await lane.call(run.close)


def _begin(run: Run, to_the_end: bool) -> tuple[_Head, IO[bytes] | None]:
    """Run until the first bytes are there, or to the end when the client waits for it.

    A run that has come to its end is closed here: another hop between threads costs more than that.
    """
    run.start()
    parts: list[bytes] = []
    size = 0
    while (chunk := run.next_chunk()) is not None:
        parts.append(chunk)
        size += len(chunk)
        if to_the_end and size > _SPOOL_BYTES:
            spool = _spool_rest(run, parts)
            run.close()
            return _Head(b"", complete=True), spool
        if not to_the_end and size > _FIRST_BYTES:
            return _Head(b"".join(parts), complete=False), None
    run.close()
    return _Head(b"".join(parts), complete=True), None


def _spool_rest(run: Run, parts: list[bytes]) -> IO[bytes]:
    spool: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever reads it to its end
    try:
        spool.writelines(parts)
        while (chunk := run.next_chunk()) is not None:
            spool.write(chunk)
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return spool


async def _spooled(spool: IO[bytes]) -> AsyncIterator[bytes]:
    with spool:
        while chunk := await asyncio.to_thread(spool.read, _READ_BYTES):
            yield chunk


def _packer(asked: QueryRequest, accept: str, headers: dict[str, str], *, has_body: bool) -> Compressor | None:
    """The compressor of the answer; states the coding in ``headers``."""
    if not has_body:
        return None
    if asked.native_compression:
        headers["Content-Type"] = "application/octet-stream"
        return NativeCompressor()
    encoding = negotiate(accept) if asked.http_compression else None
    if encoding is None:
        return None
    headers["Content-Encoding"] = encoding
    return compressor(encoding, asked.zlib_level)


def _tagged(message: str, tag: str) -> bytes:
    """An error within a stream, as ClickHouse 25.11 and later write it."""
    text = message.strip().encode()
    return b"__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n" % (tag.encode(), text, len(text) + 1, tag.encode())


def _header_safe(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1").replace("\r", "").replace("\n", "")
