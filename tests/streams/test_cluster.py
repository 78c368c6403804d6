"""The processes of a cluster: told of each other rightly or not at all; ended when one of them is gone."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from streams.cluster import Cluster, ClusterError, watch_peers

TWO = ("127.0.0.1:21000", "127.0.0.1:21001")


@pytest.mark.parametrize("cluster", [Cluster(), Cluster(4), Cluster(1, 1, TWO), Cluster(1, 0, ("[::1]:1", "db-1:2"))])
def test_what_can_run(cluster: Cluster) -> None:
    cluster.check()


@pytest.mark.parametrize(
    ("cluster", "says"),
    [
        (Cluster(1, 0, ()), "Name all processes of the cluster with --addresses"),
        (Cluster(1, None, TWO), r"--process-id .* is not set, but there are 2 addresses: .* from 0 to 1"),
        (Cluster(1, 2, TWO), "is 2, but there are 2 addresses"),
        (Cluster(1, 0, ("127.0.0.1",)), "'127.0.0.1' is not host:port"),
        (Cluster(1, 0, ("a:70000", "b:1")), "'a:70000' is not host:port"),
        (Cluster(1, 0, (TWO[0], TWO[0])), "the same address"),
    ],
)
def test_what_cannot_run_says_what_to_set(cluster: Cluster, says: str) -> None:
    with pytest.raises(ClusterError, match=says):
        cluster.check()


def test_the_port_that_it_listens_on_is_its_own() -> None:
    assert Cluster(1, 1, TWO).own_address == ("127.0.0.1", 21001)
    assert Cluster(1, 0, TWO[:1]).own_address is None


_CALLER = "import socket, sys; link = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); sys.stdin.read()"


def test_a_process_that_is_gone_is_noticed() -> None:
    """The other one calls us, as a process with a larger number does, stays for a while, and is killed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        cluster = Cluster(1, 0, (f"127.0.0.1:{port}", "127.0.0.1:1"))
        said: list[str] = []
        lost, stop = threading.Event(), threading.Event()

        def note(why: str) -> None:
            said.append(why)
            lost.set()

        threading.Thread(target=watch_peers, args=(cluster, note, stop, 0.02), daemon=True).start()
        assert not lost.wait(0.2)  # nobody was there yet: they may start later
        caller = subprocess.Popen([sys.executable, "-c", _CALLER, str(port)], stdin=subprocess.PIPE, cwd=Path.cwd())
        try:
            link, _ = server.accept()
            with link:
                assert not lost.wait(0.5)
                caller.kill()
                assert lost.wait(10.0)
        finally:
            stop.set()
            caller.kill()
            caller.communicate()
    assert "has lost 1 of 1 others" in said[0]
    assert "start all of them again" in said[0]
