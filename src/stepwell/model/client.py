"""Client applications: the machine identities that workers, apps and the command line use."""

from enum import StrEnum
from hashlib import sha256

from stepwell.model.codec import Record


class Permission(StrEnum):
    """What a route may ask for. Every route names exactly one."""

    PUBLIC = "public"
    """No credentials: health and the documentation only."""
    WORK = "work"
    RUN = "run"
    READ = "read"
    OPERATE = "operate"
    DEFINE = "define"
    ADMIN = "admin"


GRANTABLE = tuple(p for p in Permission if p is not Permission.PUBLIC)


class ClientApplication(Record, frozen=True, kw_only=True):
    client_id: str
    token_hash: str
    """SHA-256 of the hex SHA-256 that the bearer carries: the stored value opens nothing."""
    permissions: frozenset[Permission]
    created: int
    expires: int = 0
    """Epoch ms; 0 = never."""
    revoked: int = 0
    """When it was revoked, epoch ms; 0 = it was not."""

    def is_valid(self, now: int) -> bool:
        return not self.revoked and (not self.expires or now < self.expires)


def token_digest(token: str) -> str:
    """What a bearer carries in place of the token: its SHA-256, lower-case hex."""
    return sha256(token.encode()).hexdigest()


def bearer(client_id: str, token: str) -> str:
    """The value of the `Authorization` header. Source: wire protocol, section 1."""
    return f"Bearer client.sdk.{client_id}.{token_digest(token)}"
