"""Settings: flags over the environment over the defaults; a bad value is told under its name."""

import pytest

from stepwell.model.errors import Invalid
from stepwell.settings import SETTINGS, Settings, database_path, from_environment


def test_the_defaults() -> None:
    settings = from_environment({})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.database) == ("127.0.0.1", 8080, "sqlite:///./stepwell.db")
    assert settings.database_path == "./stepwell.db"


def test_flags_win_and_none_is_not_given() -> None:
    environment = {"STEPWELL_PORT": "9000", "STEPWELL_HOST": "0.0.0.0"}
    settings = from_environment(environment, port=0, host=None)
    assert (settings.port, settings.host) == (0, "0.0.0.0")


def test_every_field_can_be_set_and_is_explained() -> None:
    assert [setting.field for setting in SETTINGS] == list(Settings.__struct_fields__)
    for setting in SETTINGS:
        assert setting.variable.startswith("STEPWELL_") and setting.about.endswith(".")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///./a.db", "./a.db"),
        ("sqlite:///a/b.db", "a/b.db"),
        ("sqlite:////var/a.db", "/var/a.db"),
        ("sqlite://./a.db", "./a.db"),
        ("memory://", None),
        ("postgresql://me@db/stepwell", None),
    ],
)
def test_databases(url: str, path: str | None) -> None:
    assert database_path(url) == path


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STEPWELL_PORT", "x"),
        ("STEPWELL_PORT", "65536"),
        ("STEPWELL_PORT", "-1"),
        ("STEPWELL_HOST", "a b"),
        ("STEPWELL_DATABASE", "postgres://x"),
        ("STEPWELL_DATABASE", "postgresql://"),
        ("STEPWELL_DATABASE", "sqlite:///"),
        ("STEPWELL_ACCEPT_UNSAFE_DATABASE", "1"),
        ("STEPWELL_DATABASE", "stepwell.db"),
        ("STEPWELL_BOOTSTRAP_CLIENT", "no-token"),
        ("STEPWELL_BOOTSTRAP_CLIENT", ":token"),
        ("STEPWELL_BOOTSTRAP_CLIENT", "id:"),
        ("STEPWELL_LEASE_MS", "0"),
        ("STEPWELL_HTTP_ALLOW", "a b"),
        ("STEPWELL_HTTP_PORTS", "80,x"),
        ("STEPWELL_HTTP_PORTS", "0"),
        ("STEPWELL_HTTP_RESPONSE_LIMIT", "1"),
    ],
)
def test_a_bad_value_is_told_under_its_name(variable: str, value: str) -> None:
    with pytest.raises(Invalid) as refusal:
        from_environment({variable: value})
    assert [problem.path for problem in refusal.value.problems] == [variable]


def test_all_bad_values_are_told_at_once() -> None:
    with pytest.raises(Invalid) as refusal:
        from_environment({"STEPWELL_PORT": "x", "STEPWELL_LEASE_MS": "y"})
    assert len(refusal.value.problems) == 2


def test_lists_are_separated_by_commas() -> None:
    settings = from_environment(
        {"STEPWELL_HTTP_ALLOW": "127.0.0.1:9, *.corp ,10.0.0.0/8,", "STEPWELL_HTTP_PORTS": "80, 443"}
    )
    assert (settings.http_allow, settings.http_ports) == (("127.0.0.1:9", "*.corp", "10.0.0.0/8"), (80, 443))


def test_a_token_may_hold_colons_and_is_not_printed() -> None:
    settings = from_environment({"STEPWELL_BOOTSTRAP_CLIENT": "cid:a:b"})
    assert settings.bootstrap_client == ("cid", "a:b")
    assert "a:b" not in repr(settings)


def test_a_password_is_not_shown() -> None:
    shown = from_environment({"STEPWELL_DATABASE": "postgresql://me:s3cret@db:5432/x"}).database_shown
    assert shown == "postgresql://me@db:5432/x"


def test_nodes_of_one_database_look_for_their_keys_in_one_place() -> None:
    assert from_environment({"STEPWELL_DATABASE": "postgresql://db/x"}).key_path == "./stepwell.key"
    assert from_environment({"STEPWELL_DATABASE": "memory://"}).key_path is None
