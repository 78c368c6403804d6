"""A ClickHouse HTTP request, taken apart: which part is SQL, which is data, which parameters mean what.

Source: the HTTP interface's documentation, and ``HTTPHandler.cpp``: the ``query`` parameter and the body are one text,
joined by a line break; every parameter that is not reserved is a setting; files of a form are external tables.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile
from starlette.requests import Request

from projections.store.compression import decompress, too_large
from projections.store.errors import bad_argument
from projections.store.native_blocks import decompress_blocks
from projections.store.vetting_names import names

_RESERVED = names(
    """
    query database default_format query_id user password quota_key session_id session_timeout session_check
    close_session stacktrace buffer_size wait_end_of_query compress decompress client_protocol_version role
    enable_http_compression http_zlib_compression_level send_progress_in_http_headers
    http_headers_progress_interval_ms add_http_cors_header cancel_http_readonly_queries_on_client_close
    http_native_compression_disable_checksumming_on_decompress
    """
)
_WORD = re.compile(rb"\s*([A-Za-z]+)")
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_EXTERNAL_SUFFIX = re.compile(r"_(?:format|types|structure)$")


@dataclass(frozen=True)
class ExternalTable:
    name: str
    format_name: str
    structure: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class QueryRequest:
    """What is asked, before it is looked at."""

    text: bytes = field(repr=False)  # from the query parameter, with its line break, or empty
    body: bytes = field(repr=False)
    params: Mapping[str, str] = field(repr=False)  # {name:Type} values
    settings: Mapping[str, str]
    database: str
    default_format: str
    query_id: str
    session_id: str
    session_timeout_s: int
    wait_end_of_query: bool
    native_compression: bool
    http_compression: bool
    zlib_level: int
    is_get: bool
    cancel_on_close: bool
    external: tuple[ExternalTable, ...] = ()

    @property
    def first_word(self) -> bytes:
        """In upper case; empty when something else stands before it, such as a comment."""
        word = _WORD.match((self.text or self.body)[:64])
        return word[1].upper() if word else b""


def header_map(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


async def read_request(request: Request, max_body_bytes: int) -> QueryRequest:
    """:raises StoreError: a body too large or damaged, a parameter that cannot be read."""
    url_params = dict(request.query_params.multi_items())
    headers = header_map(request)
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    body = b""
    if (
        headers.get("content-type", "")
        .lower()
        .startswith(("multipart/form-data", "application/x-www-form-urlencoded;form"))
    ):
        fields, files = await _form(request, max_body_bytes)
    else:
        body = await _body(request, max_body_bytes)
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            body = await asyncio.to_thread(decompress, encoding, body, max_body_bytes)
        if _flag(url_params, "decompress") and body:
            body = await asyncio.to_thread(decompress_blocks, body, max_body_bytes)
    params = {**fields, **url_params}
    external = _external_tables(files, params)
    return _query_request(request, headers, params, fields, body, external)


def _query_request(
    request: Request,
    headers: Mapping[str, str],
    params: dict[str, str],
    fields: Mapping[str, str],
    body: bytes,
    external: tuple[ExternalTable, ...],
) -> QueryRequest:
    text = request.query_params.get("query", "") + fields.get("query", "")
    taken = {f"{table.name}_{part}" for table in external for part in ("format", "structure", "types")}
    settings = {k: v for k, v in params.items() if k not in _RESERVED and not k.startswith("param_") and k not in taken}
    for name in settings:
        if not _SETTING_NAME.fullmatch(name):
            raise bad_argument(f"The parameter {name!r} is not the name of a setting.")
    return QueryRequest(
        text=text.encode("utf-8", "surrogateescape") + b"\n" if text else b"",
        body=body,
        params={k.removeprefix("param_"): v for k, v in params.items() if k.startswith("param_")},
        settings=settings,
        database=params.get("database") or headers.get("x-clickhouse-database", ""),
        default_format=headers.get("x-clickhouse-format") or params.get("default_format") or "TabSeparated",
        query_id=params.get("query_id") or headers.get("x-clickhouse-query-id", ""),
        session_id=params.get("session_id", ""),
        session_timeout_s=_number(params, "session_timeout", 0),
        wait_end_of_query=_flag(params, "wait_end_of_query"),
        native_compression=_flag(params, "compress"),
        http_compression=_flag(params, "enable_http_compression"),
        zlib_level=min(9, max(1, _number(params, "http_zlib_compression_level", 3))),
        is_get=request.method in ("GET", "HEAD"),
        cancel_on_close=_flag(params, "cancel_http_readonly_queries_on_client_close"),
        external=external,
    )


async def _body(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
    return b"".join(parts)


async def _form(request: Request, limit: int) -> tuple[dict[str, str], dict[str, bytes]]:
    if int(request.headers.get("content-length") or 0) > limit:
        raise too_large(limit)
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    async with request.form(max_part_size=limit) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files[name] = await value.read()
            else:
                fields[name] = value
    return fields, files


def _external_tables(files: Mapping[str, bytes], params: Mapping[str, str]) -> tuple[ExternalTable, ...]:
    tables: list[ExternalTable] = []
    for name, data in files.items():
        structure = params.get(f"{name}_structure", "")
        types = params.get(f"{name}_types", "")
        if not structure and types:
            structure = ", ".join(f"_{index} {kind}" for index, kind in enumerate(_split_types(types), 1))
        if not structure or not _SETTING_NAME.fullmatch(name):
            raise bad_argument(f"The external table {name!r} needs a plain name and {name}_structure or {name}_types.")
        tables.append(ExternalTable(name, params.get(f"{name}_format", "TabSeparated"), structure, data))
    return tuple(tables)


def _split_types(types: str) -> list[str]:
    parts, depth = [""], 0
    for char in types:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def _flag(params: Mapping[str, str], name: str) -> bool:
    return params.get(name, "0").lower() in ("1", "true")


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(params.get(name, default))
    except ValueError:
        raise bad_argument(f"The parameter {name} must be a whole number.") from None
