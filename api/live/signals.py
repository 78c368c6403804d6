"""How a client reaches its stream, also before that has begun."""

from __future__ import annotations

import asyncio


class Signals:
    """There is something to send; it is over. Made on the event loop."""

    def __init__(self) -> None:
        self.something = asyncio.Event()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self) -> None:
        self.something.set()
        if not self.over.done():
            self.over.set_result(None)
