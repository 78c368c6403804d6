"""Small JSON bodies: bounded before they are parsed, and refused with a sentence where they are not JSON."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from api.bodies import malformed, read_body
from api.problems import Kind, Refusal

MAX_BODY_BYTES = 16_384
BODY_PROBLEMS: tuple[Kind, ...] = ("malformed-body", "too-large", "unsupported-media-type")
"""What a route of this class may answer besides its own problems."""


class JsonBodyRoute(APIRoute):
    """A route whose body, if any, is one small JSON value in UTF-8. The framework alone would read one of any size.

    What it lets through can be encoded again: there are no lone surrogates and no NaN in it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            body = await read_body(request.stream(), request.headers.get("content-length"), MAX_BODY_BYTES)
            _check(body, request.headers.get("content-type", ""))

            async def receive() -> Message:
                return {"type": "http.request", "body": body, "more_body": False}

            return await handle(Request(request.scope, receive))

        return bounded


def _check(body: bytes, content_type: str) -> None:
    if not body:
        return
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(
            "unsupported-media-type", "请用 Content-Type: application/json", "send Content-Type: application/json"
        )
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise malformed("请求体不是 JSON", f"the body is no JSON: {fault}") from None
