"""Several processes, on one machine or more, that run one dataflow together: who they are, and whether all are there.

Bytewax connects them by TCP, each to every other, once, when they start. When one of them is gone the others notice
where they next send to it, and panic; until then they wait, with nothing of theirs being committed. So each process
also watches its own connections, and ends when one is lost; started again, all connect anew and go on from the last
snapshot.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psutil

LOOK_EVERY_S: Final = 1.0
_LOOKS_UNTIL_LOST: Final = 2  # while connecting anew a look may fall between two


class ClusterError(ValueError):
    """The processes are not told of each other as they must be; the message says what to set."""


class PeerLostError(Exception):
    """Another process of the cluster is gone: worth starting again."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One process of a cluster; ``addresses`` empty when it is the only one.

    All state is with process 0: the others get theirs from it when they start, and send it there at every snapshot, so
    they need no disk that it can see. When one process ends, all do, and are to be started again.
    """

    workers_per_process: int = 1
    process_id: int | None = None
    addresses: tuple[str, ...] = ()

    def check(self) -> None:
        """:raises ClusterError: it can't be one of a cluster, nor alone."""
        if not self.addresses:
            if self.process_id is not None:
                raise ClusterError(
                    f"process {self.process_id} of what? Name all processes of the cluster with --addresses "
                    "host:port,host:port (GRIDPULSE_ADDRESSES), or leave --process-id (GRIDPULSE_PROCESS_ID) out"
                )
            return
        for address in self.addresses:
            _parts(address)
        if len(set(self.addresses)) < len(self.addresses):
            raise ClusterError(f"two processes can't have the same address: {', '.join(self.addresses)}")
        if self.process_id is None or self.process_id >= len(self.addresses):
            given = "is not set" if self.process_id is None else f"is {self.process_id}"
            raise ClusterError(
                f"--process-id (GRIDPULSE_PROCESS_ID) {given}, but there are {len(self.addresses)} addresses: give "
                f"each process its own number from 0 to {len(self.addresses) - 1}, in the order of the addresses"
            )

    @property
    def own_address(self) -> tuple[str, int] | None:
        """Host and port that this process listens on; None when it is the only one."""
        if self.process_id is None or len(self.addresses) < 2:
            return None
        return _parts(self.addresses[self.process_id])


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ClusterError(f"{address!r} is not host:port; write --addresses like 10.0.0.1:21000,10.0.0.2:21000")
    return host.strip("[]"), int(port)


def watch_peers(
    cluster: Cluster, lost: Callable[[str], None], stop: threading.Event, look_every_s: float = LOOK_EVERY_S
) -> None:
    """Once all connections to other processes were there, call ``lost`` with a sentence when one is gone."""
    wanted, were_there, missing = len(cluster.addresses) - 1, False, 0
    while not stop.wait(look_every_s):
        links = _links(cluster)
        if links >= wanted:
            were_there, missing = True, 0
        elif were_there:
            missing += 1
            if missing == _LOOKS_UNTIL_LOST:
                lost(
                    f"process {cluster.process_id} has lost {wanted - links} of {wanted} others of its cluster "
                    f"({', '.join(cluster.addresses)}): start all of them again"
                )
                return


def _links(cluster: Cluster) -> int:
    """How many connections to other processes of the cluster stand: those before us we called, the others called us."""
    assert cluster.process_id is not None
    own_port = _parts(cluster.addresses[cluster.process_id])[1]
    before = {end for address in cluster.addresses[: cluster.process_id] for end in _resolved(*_parts(address))}
    standing = [one for one in psutil.Process().net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED]
    called = {tuple(one.raddr) for one in standing} & before
    callers = sum(one.laddr[1] == own_port for one in standing)
    return min(len(called), cluster.process_id) + callers


def _resolved(host: str, port: int) -> set[tuple[str, int]]:
    """All addresses of a host, as connections have them."""
    try:
        return {(str(found[4][0]), port) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError:
        return set()
