"""What waits in a lane: taken in the order read, whatever the pieces; counted in bytes as long as it is held."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Headers, RawBatch, TopicPartition
from streams.lane_buffer import TopicBuffer

WHERE = TopicPartition("lane.a", 0)
WITH: Headers = (("h", b"1"),)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 6), st.booleans()),
        st.tuples(st.just("take"), st.integers(1, 9), st.booleans()),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(steps=steps)
def test_rows_come_out_as_they_went_in_and_are_counted_meanwhile(steps: list[tuple[str, int, bool]]) -> None:
    buffer = TopicBuffer(WHERE, 0, None, None)
    expected: list[tuple[bytes, Headers]] = []
    pieces: list[list[bytes]] = []  # as they are held: a piece goes with its last row
    read = taken = 0
    for what, count, flag in steps:
        if what == "add":
            values = [b"x" * (number % 7) for number in range(read, read + count)]
            headers: list[Headers] | None = [WITH if number % 2 else () for number in range(count)] if flag else None
            buffer.add(RawBatch.of("lane.a", 0, range(read, read + count), [read] * count, values, headers))
            expected += zip(values, headers or [()] * count, strict=True)
            pieces.append(list(values))
            read += count
        elif count <= len(buffer):
            values, given_headers = buffer.take(count)
            rows = list(zip(values, given_headers or [()] * count, strict=True))
            assert rows == expected[taken : taken + count]
            taken += count
            assert buffer.next_offset == taken
        if flag:  # asked now and then: counting late must not change what is counted
            assert buffer.value_bytes == _held_bytes(pieces, taken)
        assert len(buffer) == read - taken
    assert buffer.value_bytes == _held_bytes(pieces, taken)


def _held_bytes(pieces: list[list[bytes]], taken: int) -> int:
    size = 0
    for piece in pieces:
        taken -= len(piece)
        size += sum(map(len, piece)) if taken < 0 else 0
    return size
