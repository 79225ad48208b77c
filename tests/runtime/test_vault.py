"""The vault: what it seals opens again, with the right key and about the right thing only; its key file."""

import stat

import pytest

from stepwell.model.errors import Conflict, Invalid
from stepwell.runtime.vault import CannotOpen, Vault, open_vault

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))


@pytest.mark.parametrize("text", [b"", b'"x"', "ünï😀".encode(), b"\0" * 70_000])
def test_what_is_sealed_opens_again(text):
    vault = Vault([KEY])
    sealed = vault.seal(text, "secret", "default", "a", "1")
    assert vault.open(sealed, "secret", "default", "a", "1") == text
    assert vault.seal(text, "secret", "default", "a", "1") != sealed, "a nonce must not come twice"


@pytest.mark.parametrize(
    "about",
    [
        ("secret", "default", "a", "2"),
        ("secret", "default", "b", "1"),
        ("secret", "other", "a", "1"),
        ("secretState", "default", "a", "1"),
        ("secret", "default", "a1"),
        (),
    ],
)
def test_a_row_moved_elsewhere_does_not_open(about):
    vault = Vault([KEY])
    with pytest.raises(CannotOpen):
        vault.open(vault.seal(b"1", "secret", "default", "a", "1"), *about)


def test_nothing_else_opens_and_the_error_tells_nothing():
    vault = Vault([KEY])
    sealed = vault.seal(b'"hunter2"', "x")
    form, key, text = sealed.split(".")
    broken = [
        "",
        "hunter2",
        f"{form}.{key}",
        f"{form}.{key}.!",
        f"{form}.{key}.",
        f"v2.{key}.{text}",
        f"{form}.00000000.{text}",
        f"{form}.{key}.{text[:-8]}",
        f"{form}.{key}.{'A' + text[1:] if text[0] != 'A' else 'B' + text[1:]}",
    ]
    for wrong in broken:
        with pytest.raises(CannotOpen) as told:
            vault.open(wrong, "x")
        assert "hunter2" not in told.value.message
    with pytest.raises(CannotOpen):
        Vault([OTHER]).open(sealed, "x")


def test_a_new_key_seals_and_the_old_one_still_opens():
    old = Vault([KEY]).seal(b"1", "x")
    both = Vault([OTHER, KEY])
    assert both.open(old, "x") == b"1"
    assert Vault([OTHER]).open(both.seal(b"2", "x"), "x") == b"2"


def test_the_key_file_is_made_once_and_is_its_owners_alone(tmp_path):
    path = tmp_path / "stepwell.db.key"
    sealed = open_vault(str(path), may_make=True).seal(b"1", "x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert open_vault(str(path), may_make=True).open(sealed, "x") == b"1"
    assert open_vault(str(path), may_make=False).open(sealed, "x") == b"1"
    assert path.read_bytes() == before


def test_a_missing_key_file_is_not_made_anew_over_secrets(tmp_path):
    with pytest.raises(Conflict) as told:
        open_vault(str(tmp_path / "k"), may_make=False)
    assert told.value.code == "KEY_FILE_MISSING"
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("", 0o600, "holds no key"),
        ("AAAA\n", 0o600, "line 1"),
        ("not base64\n", 0o600, "line 1"),
        ("\xff\n", 0o600, "cannot be read"),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 0o640, "chmod 600"),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 0o604, "chmod 600"),
    ],
)
def test_a_key_file_that_cannot_be_used(tmp_path, content, mode, said):
    path = tmp_path / "k"
    path.write_bytes(content.encode("latin-1"))
    path.chmod(mode)
    with pytest.raises(Invalid) as told:
        open_vault(str(path), may_make=True)
    assert told.value.code == "BAD_SETTING"
    assert said in told.value.message
