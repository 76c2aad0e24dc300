from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ringline_server.engine.deadlines import HORIZON, Deadlines

A, B = ("a",), ("b",)


def test_what_is_due_is_returned_once_and_earliest_first() -> None:
    deadlines: Deadlines[tuple[str]] = Deadlines()
    deadlines.arm(A, 20)
    deadlines.arm(B, 10)
    assert deadlines.take(9) == []
    assert deadlines.take(20) == [B, A]
    assert deadlines.take(20) == []


def test_a_key_has_one_deadline_which_is_the_last_one_set() -> None:
    deadlines: Deadlines[tuple[str]] = Deadlines()
    deadlines.take(0)
    for due in (10, 30, 20):
        deadlines.arm(A, due)
    assert deadlines.next_at() == 20
    assert deadlines.take(19) == []
    assert deadlines.take(30) == [A]


def test_what_was_disarmed_is_never_due() -> None:
    deadlines: Deadlines[tuple[str]] = Deadlines()
    deadlines.arm(A, 10)
    deadlines.disarm(A)
    deadlines.disarm(A)
    assert deadlines.next_at() is None
    assert deadlines.take(10) == []


def test_what_is_due_after_the_horizon_comes_at_its_time() -> None:
    deadlines: Deadlines[tuple[str]] = Deadlines()
    deadlines.take(0)
    due = 3 * HORIZON
    deadlines.arm(A, due)
    now = 0
    while (at := deadlines.next_at()) is not None and at < due:
        assert at > now
        now = at
        assert deadlines.take(now) == []
    assert deadlines.take(due) == [A]


def test_what_is_due_after_the_horizon_is_not_in_the_heap() -> None:
    deadlines: Deadlines[tuple[str]] = Deadlines()
    deadlines.take(0)
    for n in range(1_000):
        deadlines.arm((str(n),), HORIZON + n)
        deadlines.disarm((str(n),))
    assert deadlines._near == []


def test_deadlines_that_no_longer_hold_are_forgotten() -> None:
    deadlines: Deadlines[tuple[str]] = Deadlines()
    deadlines.take(0)
    for n in range(10_000):
        deadlines.arm((str(n),), HORIZON - 1)
        deadlines.disarm((str(n),))
    deadlines.arm(A, HORIZON - 1)
    deadlines.take(HORIZON // 2)
    assert len(deadlines._near) == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 3 * HORIZON)))))
def test_they_agree_with_a_plain_dictionary(changes: list[tuple[str, int | None]]) -> None:
    deadlines: Deadlines[tuple[str]] = Deadlines()
    plain: dict[tuple[str], int] = {}
    now = 0
    for name, due in changes:
        if due is None:
            deadlines.disarm((name,))
            plain.pop((name,), None)
        else:
            deadlines.arm((name,), due)
            plain[name,] = due
        now += HORIZON // 7
        expected = {key for key, at in plain.items() if at <= now}
        assert set(deadlines.take(now)) == expected
        for key in expected:
            del plain[key]
        next_at = deadlines.next_at()
        assert (next_at is None) == (not plain)
        assert next_at is None or now < next_at <= max(min(plain.values()), now + HORIZON)
