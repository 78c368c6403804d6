"""The rules of kept answers, with time and workers in the test's own hands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.answer_cache import GRACE_S, MAX_FRESH_S, REST, AnswerCache, AnswerKey, CacheLimits, How, Kept

A, B = AnswerKey("metric", "wuhu/a", ("noise",)), AnswerKey("metric", "wuhu/b", ("noise",))
LIMITS = CacheLimits(fresh_s=1.0, stale_s=2.0)


@dataclass
class World:
    """A cache whose work waits until the test lets it be done. What is built is the number of the build."""

    limits: CacheLimits = LIMITS
    now_s: float = 100.0
    takes_s: float = 0.0
    built: list[AnswerKey] = field(default_factory=list)
    jobs: list[Callable[[], None]] = field(default_factory=list)
    refreshes: list[Callable[[], None]] = field(default_factory=list)
    fault: BaseException | None = None
    size: int = 0

    def __post_init__(self) -> None:
        self.cache = AnswerCache(self.limits, self.jobs.append, self.refreshes.append, lambda: self.now_s)

    def ask(self, key: AnswerKey = A) -> tuple[How, Kept | Future[Kept]]:
        def build() -> bytes:
            self.built.append(key)
            self.now_s += self.takes_s
            if self.fault is not None:
                raise self.fault
            return str(len(self.built)).encode().ljust(self.size)

        return self.cache.ask(key, build)

    def work(self) -> None:
        while jobs := self.jobs or self.refreshes:
            jobs.pop(0)()

    def get(self, key: AnswerKey = A) -> tuple[How, bytes]:
        """Ask, and have the work done."""
        how, found = self.ask(key)
        self.work()
        return how, (found.result(0) if isinstance(found, Future) else found).body


def test_an_answer_is_given_again_while_it_is_fresh() -> None:
    world = World()
    assert world.get() == ("miss", b"1")
    world.now_s += 0.999
    assert world.get() == ("hit", b"1")


def test_a_stale_answer_is_given_while_a_new_one_is_made_and_then_the_new_one() -> None:
    world = World()
    world.get()
    world.now_s += 1.0
    how, kept = world.ask()
    assert isinstance(kept, Kept)
    assert (how, kept.body) == ("stale", b"1")
    assert world.cache.age_s(kept) == 1.0
    assert world.ask()[0] == "stale"  # the work is under way and not begun again
    assert (len(world.jobs), len(world.refreshes)) == (0, 1)  # nobody waits for it
    world.work()
    assert world.get() == ("hit", b"2")


def test_a_refresh_moves_up_when_somebody_has_to_wait_for_it_and_is_done_once() -> None:
    world = World()
    world.get()
    world.now_s += 1.5
    world.ask()
    world.now_s += 1.5 + GRACE_S
    asked = [world.ask() for _ in range(3)]
    assert [how for how, _ in asked] == ["coalesced"] * 3
    assert (len(world.jobs), len(world.refreshes)) == (1, 1)
    world.work()
    assert [found.result(0).body for _, found in asked if isinstance(found, Future)] == [b"2"] * 3
    assert len(world.built) == 2


def test_while_its_refresh_has_to_wait_an_answer_is_given_for_longer() -> None:
    """Nobody waits because others ask much: who looked in time is not made to wait by what began in time."""
    world = World()
    world.get()
    world.now_s += 2.9
    world.ask()
    world.now_s += GRACE_S
    how, kept = world.ask()
    assert isinstance(kept, Kept)
    assert (how, kept.body) == ("stale", b"1")
    assert (len(world.jobs), len(world.refreshes)) == (0, 1)
    world.now_s += 0.2
    assert world.ask()[0] == "coalesced"


def test_an_answer_that_is_too_old_is_never_given() -> None:
    world = World()
    world.get()
    world.now_s += 3.0
    assert world.get() == ("miss", b"2")


def test_what_is_asked_at_the_same_time_is_worked_out_once() -> None:
    world = World()
    asked = [world.ask() for _ in range(5)]
    assert [how for how, _ in asked] == ["miss", *["coalesced"] * 4]
    world.work()
    assert [found.result(0).body for _, found in asked if isinstance(found, Future)] == [b"1"] * 5
    assert world.built == [A]


def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    world = World(fault=ZeroDivisionError("no"))
    asked = [world.ask()[1] for _ in range(3)]
    world.work()
    for found in asked:
        assert isinstance(found, Future)
        with pytest.raises(ZeroDivisionError):
            found.result(0)
    world.fault = None
    assert world.get() == ("miss", b"2")


def test_a_refresh_that_fails_leaves_the_old_answer_until_its_time_is_over() -> None:
    world = World()
    world.get()
    world.fault, world.now_s = ZeroDivisionError("no"), world.now_s + 1.5
    assert world.get() == ("stale", b"1")
    assert world.get() == ("stale", b"1")
    world.now_s += 1.5
    with pytest.raises(ZeroDivisionError):
        world.get()


def test_a_costly_answer_rests_for_longer_but_not_for_ever() -> None:
    for takes_s, rests_s in ((0.1, 1.0), (0.5, REST * 0.5), (20.0, MAX_FRESH_S)):
        world = World(takes_s=takes_s)
        world.get()
        world.now_s += rests_s - 0.001
        assert world.get()[0] == "hit"
        world.now_s += 0.001
        assert world.get()[0] == "stale"


def test_the_age_counts_from_the_beginning_of_the_work() -> None:
    world = World(takes_s=0.75)
    _, promise = world.ask()
    world.work()
    assert isinstance(promise, Future)
    assert world.cache.age_s(promise.result(0)) == 0.75


def test_off_nothing_is_kept_and_nothing_shared() -> None:
    world = World(CacheLimits(fresh_s=0.0))
    asked = [world.ask(), world.ask()]
    world.work()
    assert [found.result(0).body for _, found in asked if isinstance(found, Future)] == [b"1", b"2"]
    assert world.get() == ("off", b"3")
    assert world.cache.entries == 0


def test_the_least_recently_used_go_first() -> None:
    world = World(CacheLimits(max_entries=2))
    third = AnswerKey("devices", "", ())
    for key in (A, B, A, third):
        world.get(key)
    assert [world.get(key)[0] for key in (A, third, B)] == ["hit", "hit", "miss"]


def test_bytes_are_bounded_and_a_giant_is_not_kept() -> None:
    world = World(CacheLimits(max_bytes=800), size=100)
    keys = [AnswerKey("metric", "", (number,)) for number in range(20)]
    for key in keys:
        world.get(key)
        assert world.cache.size_bytes <= 800
    assert world.cache.entries == 8
    world.size = 101
    assert world.get(A) == ("miss", b"21".ljust(101))
    assert world.get(A)[0] == "miss"
    assert world.cache.size_bytes == 800


@dataclass(frozen=True)
class Step:
    key: int
    wait_s: float
    fails: bool
    work: bool


steps = st.lists(
    st.builds(Step, st.integers(0, 3), st.sampled_from((0.0, 0.25, 0.6, 1.5, 4.0, 12.0)), st.booleans(), st.booleans()),
    max_size=60,
)


@settings(deadline=None, max_examples=150)
@given(steps)
def test_any_course_of_things_gives_answers_of_the_key_and_none_too_old(course: list[Step]) -> None:
    """Answers say their key, number and time: whatever happens, each asker gets one of its own key, young enough."""
    limits = CacheLimits(fresh_s=1.0, stale_s=2.0, max_entries=2, max_bytes=1000)
    now_s, jobs, built, begun = [0.0], list[Callable[[], None]](), Counter[int](), Counter[int]()
    cache = AnswerCache(limits, jobs.append, jobs.append, lambda: now_s[0])
    promised: list[tuple[int, float, Future[Kept]]] = []

    for step in course:
        now_s[0] += step.wait_s

        def build(key: int = step.key, fails: bool = step.fails) -> bytes:
            built[key] += 1
            if fails:
                raise LookupError(key)
            return b"%d" % key

        how, found = cache.ask(AnswerKey("metric", str(step.key), ()), build)
        if isinstance(found, Future):
            assert how in ("miss", "coalesced")
            begun[step.key] += how == "miss"
            promised.append((step.key, now_s[0], found))
        else:
            assert found.body == b"%d" % step.key
            age_s = now_s[0] - found.began_s
            assert (how, age_s < limits.fresh_s) in (("hit", True), ("stale", False))
            begun[step.key] += how == "stale"
            assert age_s < limits.fresh_s + limits.stale_s + GRACE_S
        if step.work:
            while jobs:
                jobs.pop(0)()
        assert cache.entries <= limits.max_entries
        assert cache.size_bytes == cache.entries
    while jobs:
        jobs.pop(0)()
    assert all(built[key] <= begun[key] for key in built)  # at most one work for each miss or stale answer
    for key, asked_s, promise in promised:
        if (fault := promise.exception(0)) is not None:
            assert fault.args == (key,)
        else:
            assert promise.result(0).body == b"%d" % key
            assert promise.result(0).began_s >= asked_s
