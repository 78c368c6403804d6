"""From the tail to the clients: what each is to be sent next. No sockets, no threads, no waiting.

There is no queue per client: each has a place in the one :class:`api.live.tail.Tail`, which is what bounds them. Whose
place falls out of it was too slow and is ended. Clients with the same filter at the same place share one piece of
bytes. A client sees no step twice, and, as it goes on from a position, none of its own is left out.

For the thread of the event loop only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

from api.live.positions import Offsets
from api.live.steps import ReadSteps, with_id
from api.live.tail import Tail
from streams.step_filter import StepFilter

Ending = Literal["gone", "slow", "revoked", "log", "stopping", "lifetime"]
PIECE_BYTES: Final = 64 * 1024
HEARTBEAT: Final = b": heartbeat\n"


class LiveClient:
    """One open stream. :meth:`take` gives what is to be sent next.

    ``notify`` is called when there is something to take, ``ended`` when it is over.
    """

    def __init__(
        self, fan_out: FanOut, wanted: StepFilter, notify: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        self.wanted = wanted
        self.notify, self._ended = notify, ended
        self.ending: Ending | None = None
        self.last_sent_s = 0.0
        self.sending_since_s: float | None = None
        self._fan_out = fan_out
        self._number = fan_out.tail.head
        self._floor: list[int] | None = None
        self._clear_from: int | None = None
        self._figures: dict[str, bytes] = {}  # by metric: only the latest is worth sending
        self._is_heartbeat_due = False

    @property
    def number(self) -> int:
        """Its place in the tail."""
        return self._number

    def _position(self) -> str:
        """Of a client at the head: one that came from another process may be further than this one."""
        tail = self._fan_out.tail
        if self._floor is None:
            return tail.position
        return tail.text([max(pair) for pair in zip(tail.next, self._floor, strict=True)])

    def go_on_from(self, offsets: Offsets) -> None:
        """From a position that the tail keeps."""
        self._number, self._floor, self._clear_from = self._fan_out.tail.place(offsets)

    def skip_to(self, number: int) -> None:
        """What lies before is not for this client."""
        self._number = number

    def show(self, metric: str, message: bytes) -> None:
        self._figures[metric] = message
        self.notify()

    def beat(self) -> None:
        self._is_heartbeat_due = True
        self.notify()

    def end(self, why: Ending) -> None:
        if self.ending is None:
            self.ending = why
            self._ended()

    def take(self) -> bytes:
        """The next piece; empty when there is nothing."""
        piece = b""
        while not piece and self._number < self._fan_out.tail.head:
            piece = self._shared_piece() if self._floor is None else self._own_piece(self._floor)
        if self._number < self._fan_out.tail.head:
            return piece
        if self._figures:
            piece += with_id(self._position(), *self._figures.values())
            self._figures.clear()
        if self._is_heartbeat_due and not piece:
            piece = HEARTBEAT + with_id(self._position(), b"\n")
        self._is_heartbeat_due = False
        return piece

    def _shared_piece(self) -> bytes:
        piece, self._number = self._fan_out.piece(self.wanted, self._number)
        return piece

    def _own_piece(self, floor: list[int]) -> bytes:
        """Going on from elsewhere: ids are this client's own until it stands where everybody has been."""
        tail, parts, size = self._fan_out.tail, [], 0
        while self._number < tail.head and size < PIECE_BYTES:
            if self._clear_from is not None and self._number >= self._clear_from:
                self._floor = None
                break
            step = tail.step(self._number)
            self._number += 1
            if step.offset >= floor[step.partition]:
                floor[step.partition] = step.offset + 1
                if step.is_wanted_by(self.wanted):
                    parts.append(with_id(tail.text(floor), step.message))
                    size += len(parts[-1])
        if self._number == tail.head and not tail.is_ahead(floor):
            self._floor = None
        return b"".join(parts)


class FanOut:
    """All clients of a process."""

    def __init__(self, tail: Tail) -> None:
        self.tail = tail
        self._clients: dict[LiveClient, None] = {}
        self._pieces: dict[tuple[StepFilter, int], tuple[bytes, int]] = {}

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def clients(self) -> Iterable[LiveClient]:
        return tuple(self._clients)

    def join(self, wanted: StepFilter, notify: Callable[[], None], ended: Callable[[], None]) -> LiveClient:
        """A client that is given what comes from now on."""
        client = LiveClient(self, wanted, notify, ended)
        self._clients[client] = None
        return client

    def leave(self, client: LiveClient) -> None:
        self._clients.pop(client, None)

    def add(self, reads: Sequence[ReadSteps]) -> None:
        """What has been read from the log: those whom it concerns are notified."""
        before = self.tail.head
        added = self.tail.add(reads)
        self._pieces.clear()
        head, first = self.tail.head, self.tail.first
        concerned: dict[StepFilter, bool] = {}
        for client in self._clients:
            if client.number < first:
                client.end("slow")
                continue
            wanted = client.wanted
            if wanted not in concerned:
                concerned[wanted] = any(step.is_wanted_by(wanted) for step in added)
            if concerned[wanted]:
                client.notify()
            elif client.number == before:
                client.skip_to(head)

    def piece(self, wanted: StepFilter, number: int) -> tuple[bytes, int]:
        """What there is for a filter from ``number`` on, as much as is sent at once; and where to go on."""
        found = self._pieces.get((wanted, number))
        if found is None:
            found = self._pieces[wanted, number] = self._piece(wanted, number)
        return found

    def _piece(self, wanted: StepFilter, number: int) -> tuple[bytes, int]:
        parts: list[bytes] = []
        size = 0
        while number < self.tail.head and size < PIECE_BYTES:
            step = self.tail.step(number)
            if step.is_wanted_by(wanted):
                parts += (self.tail.id_line(number), step.message)
                size += len(step.message)
            number += 1
        return b"".join(parts), number
