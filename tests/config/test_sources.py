from __future__ import annotations

import os
from pathlib import Path

import pytest

from ringline_server.config import OPTIONS, Address, Option, Settings, SettingsError, load, unknown_variables

VALUES = {
    "listen": ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"),
    "database": ("a.db", "b.db", "c.db"),
    "wire": ("grpcio", "envoy", "grpcio"),
    "tls_certificate": (__file__, os.devnull, __file__),
    "tls_key": (__file__, os.devnull, __file__),
    "cors_origins": ("*", "https://a.example,http://localhost:5173", "https://b.example"),
    "log_level": ("debug", "warning", "error"),
    "log_format": ("json", "text", "json"),
    "insecure_dev_identity": ("true", "false", "true"),
    "drain_grace": ("1", "2", "3"),
}
"""Of each option one value for the file, one for the environment, one for the command line."""

ENVOYS = {
    "RINGLINE_WIRE": "envoy",
    "RINGLINE_INSECURE_DEV_IDENTITY": "yes",
    "RINGLINE_TLS_CERTIFICATE": __file__,
    "RINGLINE_TLS_KEY": __file__,
}
"""What options of the envoy wire need beside them."""


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "ringline.toml"


def wrong(arguments: dict[str, str] | None = None, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(arguments or {}, environment or {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_any_source_the_defaults_hold() -> None:
    settings = load({}, {})
    assert settings == Settings()
    assert settings.listen == Address("127.0.0.1", 50051)
    assert settings.database == Path("ringline.db")


def test_every_option_is_a_field_of_the_settings_and_the_table_here_knows_it() -> None:
    names = {option.name for option in OPTIONS}
    assert names == set(VALUES) == set(Settings.__dataclass_fields__) - {"call_types"}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_read_from_file_environment_and_command_line_and_the_last_wins(
    option: Option, toml: Path
) -> None:
    in_file, in_environment, on_command_line = VALUES[option.name]
    toml.write_text(f"{option.name} = {in_file if in_file == 'true' else repr(in_file)}\n")
    config, variable, argument = (
        {"config": str(toml)},
        {option.variable: in_environment},
        {option.name: on_command_line},
    )

    def value(arguments: dict[str, str], environment: dict[str, str]) -> object:
        needed = ENVOYS if option.name.startswith(("tls", "cors")) else {}
        needed = {name: text for name, text in needed.items() if name != option.variable}
        return getattr(load(arguments, needed | environment), option.name)

    assert value(config, {}) == option.read(in_file)
    assert value(config, variable) == option.read(in_environment)
    assert value(config | argument, variable) == option.read(on_command_line)
    assert value(argument, {}) == option.read(on_command_line)


def test_the_file_is_named_by_the_command_line_or_else_by_the_environment(toml: Path, tmp_path: Path) -> None:
    toml.write_text('log_level = "debug"')
    other = tmp_path / "other.toml"
    other.write_text('log_level = "error"')
    assert load({}, {"RINGLINE_CONFIG": str(toml)}).log_level == "debug"
    assert load({"config": str(other)}, {"RINGLINE_CONFIG": str(toml)}).log_level == "error"


def test_an_empty_variable_counts_as_unset() -> None:
    assert load({}, {"RINGLINE_LISTEN": "", "RINGLINE_CONFIG": ""}) == Settings()


def test_native_toml_values_are_taken_too(toml: Path) -> None:
    toml.write_text("insecure_dev_identity = true\ndrain_grace = 2.5\n")
    settings = load({"config": str(toml)}, {})
    assert settings.insecure_dev_identity
    assert settings.drain_grace == 2.5


@pytest.mark.parametrize(
    ("text", "seconds"), [("5", 5), ("500ms", 0.5), ("30s", 30), ("10 m", 600), ("1h", 3600), ("0", 0), ("0.5", 0.5)]
)
def test_a_duration_may_have_a_unit(text: str, seconds: float) -> None:
    assert load({"drain_grace": text}, {}).drain_grace == seconds


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:50051", Address("::1", 50051)),
        ("localhost:65535", Address("localhost", 65535)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: Address) -> None:
    assert load({"listen": text}, {}).listen == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["50051", ":50051", "localhost", "localhost:", "::1:50051", "host:99999", "host:-1"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    assert "HOST:PORT, such as 127.0.0.1:50051" in wrong({"listen": text})


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("listen", "here", "HOST:PORT"),
        ("database", " ", "a text that is not empty"),
        ("wire", "http", "grpcio or envoy"),
        ("tls_certificate", "nowhere.pem", "the path of a file that can be read (No such file or directory)"),
        ("cors_origins", "app.example.com", "origins as browsers send them"),
        ("log_level", "loud", "debug, info, warning or error"),
        ("log_format", "xml", "json or text"),
        ("insecure_dev_identity", "maybe", "true or false"),
        ("drain_grace", "-1", "30s"),
        ("drain_grace", "2h", "at most an hour"),
    ],
)
def test_a_bad_value_is_named_with_its_source_and_what_is_allowed(
    name: str, value: str, allowed: str, toml: Path
) -> None:
    flag, variable = "--" + name.replace("_", "-"), "RINGLINE_" + name.upper()
    toml.write_text(f"{name} = {value!r}")
    for message, source in (
        (wrong({name: value}), flag),
        (wrong({}, {variable: value}), variable),
        (wrong({"config": str(toml)}), f"{toml}: {name}"),
    ):
        assert message.startswith(f"{source}: {value!r} cannot be used. Allowed: ")
        assert allowed in message


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    assert "not of a directory" in wrong({"database": str(tmp_path)})


def test_an_unknown_key_is_named_with_the_known_ones(toml: Path) -> None:
    toml.write_text('databse = "x.db"')
    message = wrong({"config": str(toml)})
    assert f"{toml}: unknown key 'databse'" in message
    for known in (*VALUES, "[call_types.NAME]"):
        assert known in message


def test_a_file_that_is_missing_or_no_toml_is_named(toml: Path) -> None:
    assert wrong({"config": str(toml)}) == f"--config: cannot read {toml}: No such file or directory"
    assert wrong({}, {"RINGLINE_CONFIG": str(toml)}).startswith("RINGLINE_CONFIG: cannot read")
    toml.write_text("listen = \n")
    assert f"{toml} is not TOML: " in wrong({"config": str(toml)})
    toml.write_bytes(b"\xff")
    assert f"{toml} is not TOML: " in wrong({"config": str(toml)})


def test_identity_without_proof_is_refused_where_others_can_reach_it_unless_it_is_meant() -> None:
    for address in ("0.0.0.0:50051", "[::]:50051", "192.0.2.1:1", "ringline.example:50051"):
        message = wrong({"listen": address})
        assert address in message
        assert "--insecure-dev-identity" in message
        assert load({"listen": address, "insecure_dev_identity": "true"}, {}).insecure_dev_identity
    for address in ("127.0.0.1:1", "127.3.2.1:1", "[::1]:1", "localhost:1"):
        assert not load({"listen": address}, {}).insecure_dev_identity


def test_variables_that_only_look_like_settings_are_found() -> None:
    environment = ["PATH", "RINGLINE_LISTEN", "RINGLINE_CONFIG", "RINGLINE_DATABSE"]
    assert unknown_variables(environment) == ["RINGLINE_DATABSE"]
