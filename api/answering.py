"""From a question to its HTTP answer: through the cache, worked out by a worker, said with its age.

Routes stay on the event loop and hand over what takes long; an answer is kept as the bytes that are sent. ``Age`` is in
whole seconds, as HTTP has it. Nothing downstream may keep an answer (``no-store``): it may be about persons.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import Future

from fastapi import Response
from pydantic import BaseModel

from api.answer_cache import AnswerCache, AnswerKey, Kept
from api.telemetry import Telemetry

MEDIA_TYPE = "application/json"


class Answering:
    """One per app."""

    def __init__(self, cache: AnswerCache, telemetry: Telemetry) -> None:
        self._cache = cache
        self._telemetry = telemetry
        telemetry.watch_cache(lambda: cache.entries, lambda: cache.size_bytes)

    async def answer(
        self, kind: str, scope: str, parameters: tuple[Hashable, ...], build: Callable[[], BaseModel]
    ) -> Response:
        """The answer to ``kind`` about ``scope``, which the caller is allowed to see.

        ``parameters``: everything else that the answer depends on. Raises what ``build`` raises.
        """

        def body() -> bytes:
            return build().model_dump_json().encode()

        how, found = self._cache.ask(AnswerKey(kind, scope, parameters), body)
        self._telemetry.found(kind, how)
        # Shielded: who goes away must not call off what others wait for.
        kept = await asyncio.shield(asyncio.wrap_future(found)) if isinstance(found, Future) else found
        return _response(kept, self._cache.age_s(kept))


def _response(kept: Kept, age_s: float) -> Response:
    return Response(kept.body, media_type=MEDIA_TYPE, headers={"Age": str(int(age_s))})
