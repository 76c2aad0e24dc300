"""Call types from the TOML file (P1): their settings within the ranges of T3 and T6, their grants by role."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ringline_server.config import Settings, SettingsError, load
from ringline_server.rules.context import CallType
from ringline_server.rules.settings import SECOND
from ringline_server.rules.terms import Capability

BUILT_IN = Settings().call_types


def types(text: str, tmp_path: Path) -> dict[str, CallType]:
    path = tmp_path / "ringline.toml"
    path.write_text(text)
    tomllib.loads(text)
    return dict(load({"config": str(path)}, {}).call_types)


def wrong(text: str, tmp_path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        types(text, tmp_path)
    return str(caught.value)


def test_P1_without_the_table_there_are_the_four_built_in_types() -> None:
    assert set(BUILT_IN) == {"default", "audio_room", "livestream", "development"}


def test_P1_a_type_of_ones_own_begins_as_default_does(tmp_path: Path) -> None:
    found = types(
        """
        [call_types.standup.settings]
        end_when_empty = false
        ring.auto_cancel_timeout = "45s"
        ring.incoming_call_timeout = 20
        limits.max_duration = "2h"
        limits.participant_timeout = "10s"
        [call_types.standup.grants]
        user = ["create-call"]
        call_member = ["read-call", "end-call"]
        """,
        tmp_path,
    )
    standup, default = found["standup"], BUILT_IN["default"]
    assert standup.name == "standup"
    assert standup.settings.auto_cancel_timeout == 45 * SECOND
    assert standup.settings.incoming_call_timeout == 20 * SECOND
    assert standup.settings.max_duration == 7200 * SECOND
    assert standup.settings.participant_timeout == 10 * SECOND
    assert not standup.settings.end_when_empty
    assert standup.settings.drop_when_alone == default.settings.drop_when_alone
    assert standup.grants["call_member"] == {Capability.READ_CALL, Capability.END_CALL}
    assert standup.grants["host"] == default.grants["host"]
    assert {name: found[name] for name in BUILT_IN} == BUILT_IN


def test_P1_a_built_in_type_is_changed_only_where_it_is_said(tmp_path: Path) -> None:
    livestream = types('[call_types.livestream]\ngrants.user = ["create-call"]', tmp_path)["livestream"]
    assert livestream.settings == BUILT_IN["livestream"].settings
    assert livestream.grants["user"] == {Capability.CREATE_CALL}
    assert livestream.grants["admin"] == BUILT_IN["livestream"].grants["admin"]


@pytest.mark.parametrize(
    ("key", "good", "bad", "range_"),
    [
        ("ring.auto_cancel_timeout", ["1s", "10m"], ["0", "999ms", "601s"], "1 s to 10 min"),
        ("ring.incoming_call_timeout", ["1s", "10m"], ["0", "999ms", "601s"], "1 s to 10 min"),
        ("limits.max_duration", ["1s", "7d"], ["0", "8d"], "1 s to 7 d"),
        ("limits.participant_timeout", ["0", "10s", "10m"], ["9s", "11m"], "10 s to 10 min, or 0"),
    ],
)
def test_T3_a_duration_outside_its_range_is_refused(
    key: str, good: list[str], bad: list[str], range_: str, tmp_path: Path
) -> None:
    for value in good:
        types(f'[call_types.default.settings]\n{key} = "{value}"', tmp_path)
    for value in bad:
        message = wrong(f'[call_types.default.settings]\n{key} = "{value}"', tmp_path)
        assert f"call_types.default.settings.{key}: {value!r} cannot be used. Allowed: {range_}" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[call_types."Big Room"]', "call_types.Big Room: a name is 1 to 64 of a-z"),
        ("[call_types.x.setings]", "call_types.x: unknown key 'setings'. There are: settings, grants"),
        ("[call_types.x.settings]\nlimit = 1", "call_types.x.settings: unknown key 'limit'. There are: ring, limits"),
        ("[call_types.x.settings.ring]\ntimeout = 1", "unknown key 'timeout'. There are: auto_cancel_timeout"),
        ('[call_types.x.settings]\nend_when_empty = "perhaps"', "Allowed: true or false"),
        ("[call_types.x.grants]\nguest = []", "unknown key 'guest'. There are: user, call_member, host, admin"),
        ('[call_types.x.grants]\nuser = ["fly"]', "call_types.x.grants.user: ['fly'] cannot be used. Allowed: a list"),
        ('[call_types.x.grants]\nuser = "read-call"', "read-call, join-call, ring-call"),
        ("call_types = 3", "call_types: 3 is not a table"),
        ("call_types.x = 3", "call_types.x: 3 is not a table"),
    ],
)
def test_a_mistake_is_named_by_its_key(text: str, expected: str, tmp_path: Path) -> None:
    assert expected in wrong(text, tmp_path)
