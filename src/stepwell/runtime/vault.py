"""The vault: the one module that encrypts. AES-256-GCM; what a value is about is bound to it as associated data.

A sealed text is `v1.<id of the key>.<nonce and ciphertext, base64>`. A key file holds base64 keys of 32 bytes, one on
each line: the first seals, all of them open, so a new key is put in front and the old one goes when nothing needs it.
"""

import binascii
import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stepwell.model.codec import Json, canonical
from stepwell.model.errors import Conflict, Invalid, Problem, StepwellError

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORM = "v1"


class CannotOpen(StepwellError):
    """It was sealed with a key that is not here, or about something else."""

    code = "CANNOT_DECRYPT"


class Vault:
    """Seals and opens texts. Holds keys, so it says nothing of itself."""

    def __init__(
        self, keys: Sequence[bytes] | None = None, nonce: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Without `keys` there is one that is gone with this object: for stores that are gone by then too."""
        held = (AESGCM.generate_key(KEY_BYTES * 8),) if keys is None else keys
        self._ciphers = {_key_id(key): AESGCM(key) for key in held}
        self._newest = _key_id(held[0])
        self._nonce = nonce

    @property
    def key_ids(self) -> tuple[str, ...]:
        """What tells the keys apart, without telling anything of them; the one that seals is the first."""
        return tuple(self._ciphers)

    def seal(self, text: Json, *about: str) -> str:
        nonce = self._nonce(_NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, text, canonical(about))
        return f"{_FORM}.{self._newest}.{b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *about: str) -> Json:
        """Raises CannotOpen."""
        try:
            form, key, text = sealed.split(".")
            data = b64decode(text, validate=True)
            if form == _FORM:
                return self._ciphers[key].decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], canonical(about))
        except (ValueError, KeyError, binascii.Error, InvalidTag) as error:
            raise CannotOpen from error
        raise CannotOpen


def _key_id(key: bytes) -> str:
    return sha256(b"stepwell key " + key).hexdigest()[:8]


def open_vault(path: str, *, may_make: bool) -> Vault:
    """The vault of a key file, which is made when it is missing and that is allowed.

    Raises Conflict when it is missing and must not be made anew, Invalid when it cannot be used."""
    if may_make:
        _make(path)
    try:
        with Path(path).open(encoding="ascii") as file:
            _check_mode(path, os.fstat(file.fileno()).st_mode)
            lines = [line.strip() for line in file]
    except FileNotFoundError as error:
        raise Conflict(
            f"the key file {path} is missing, and the database holds secrets that only it can open: put it"
            " back, or name it with STEPWELL_KEY_FILE",
            code="KEY_FILE_MISSING",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(f"{path} cannot be read: {type(error).__name__}") from error
    keys = [_read_key(path, number, line) for number, line in enumerate(lines, 1) if line]
    if not keys:
        raise _unusable(f"{path} holds no key")
    return Vault(keys)


def _make(path: str) -> None:
    """Whoever comes second finds the file that the first made. It is whole and durable, or not there at all."""
    if Path(path).exists():
        return
    written = f"{path}.{os.getpid()}"
    try:
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(b64encode(AESGCM.generate_key(KEY_BYTES * 8)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            Path(path).hardlink_to(written)
        _sync_folder(Path(path).parent)
    except OSError as error:
        raise _unusable(f"{path} cannot be made: {error.strerror}") from error
    finally:
        Path(written).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _check_mode(path: str, mode: int) -> None:
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise _unusable(f"others than its owner may use {path}: chmod 600 {path}")


def _read_key(path: str, number: int, line: str) -> bytes:
    try:
        key = b64decode(line, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise _unusable(f"line {number} of {path} is not {KEY_BYTES} bytes in base64")
    return key


def _unusable(message: str) -> Invalid:
    return Invalid(problems=(Problem("STEPWELL_KEY_FILE", message, "BAD_SETTING"),), code="BAD_SETTING")
