"""Ports for processes that are started beside others: chaos runs, benchmarks, tests."""

from __future__ import annotations

import contextlib
import random
import socket
from typing import Final

_PORTS: Final = range(12_000, 20_000)  # below the kernel's for outgoing connections: ours stay free while we are down


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", random.SystemRandom().choice(_PORTS)))
                ports.append(probe.getsockname()[1])
        return ports
