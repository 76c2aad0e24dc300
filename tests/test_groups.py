from __future__ import annotations

from ringline_server.groups import Groups


def test_things_are_in_the_order_in_which_they_came_until_they_are_taken_away() -> None:
    groups: Groups[str, object] = Groups()
    one, two, three = object(), object(), object()
    for thing in (one, two, three):
        groups.add("some", thing)
    groups.discard("some", two)
    assert groups.of("some") == (one, three)


def test_a_key_without_things_is_forgotten() -> None:
    groups: Groups[str, list[int]] = Groups()
    groups.add("a", [])
    groups.discard("a", [])
    assert len(groups.of("a")) == 1, "an equal thing is another one"
    groups.discard("a", groups.of("a")[0])
    groups.discard("b", [])
    assert groups.of("a") == groups.of("b") == ()
    assert not groups._groups
