"""Processes of our own that work at the same time, each on its part, and say one thing each when they are done."""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import time
from collections.abc import Callable, Sequence
from multiprocessing.queues import Queue
from typing import Final, TypeVar, TypeVarTuple

TIMEOUT_S: Final = 900.0
Part = TypeVarTuple("Part")
Said = TypeVar("Said")


def together(work: Callable[[*Part, Queue[Said]], None], parts: Sequence[tuple[*Part]]) -> list[Said]:
    """``work(*part, said)`` for each part in a process of its own; what they put into ``said``.

    :raises ChildProcessError: one of them failed; it has said why on standard error
    """
    context = multiprocessing.get_context("spawn")
    said: Queue[Said] = context.Queue()
    running = [context.Process(target=work, args=(*part, said), daemon=True) for part in parts]
    for process in running:
        process.start()
    done: list[Said] = []
    give_up_s = time.monotonic() + TIMEOUT_S
    while len(done) < len(running):
        if any(process.exitcode for process in running) or time.monotonic() > give_up_s:
            for process in running:
                process.kill()
            raise ChildProcessError(f"{work.__name__} ended with {[process.exitcode for process in running]}")
        with contextlib.suppress(queue.Empty):
            done.append(said.get(timeout=0.1))
    for process in running:
        process.join()
    return done
