"""Who is calling, and may they. `Authorization: Bearer client.sdk.<client id>.<sha256 hex of the token>`."""

import hmac
import re

from stepwell.model.client import ClientApplication, Permission
from stepwell.model.errors import Denied
from stepwell.runtime.catalog import stored_hash
from stepwell.runtime.runtime import Runtime
from stepwell.server.denials import NOBODY, Denial, Denials
from stepwell.server.problems import UNAUTHENTICATED

TRUST_S = 5.0
"""How long a client application is believed without looking again: a revocation elsewhere takes this long."""

_BEARER = re.compile(rb"(?i:bearer) +client\.sdk\.([!-~]{1,200})\.([0-9a-f]{64})")
_REMEMBERED = 10_000


class Doorkeeper:
    """Knows the client applications. Only good bearers are remembered, so guessing fills no memory."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.denials = Denials(runtime)
        self._known: dict[bytes, tuple[ClientApplication, float]] = {}

    async def admit(self, authorization: bytes | None, permission: Permission, act: str) -> ClientApplication:
        """The caller, who has that permission. Raises Denied, and notes it: `act` is the route."""
        try:
            client = await self._recognise(authorization)
        except Denied as denied:
            self.denials.note(Denial(NOBODY, act, denied.message))
            raise
        if permission not in client.permissions:
            why = f"client {client.client_id} does not have the permission {permission}"
            self.denials.note(Denial(client.client_id, act, why))
            raise Denied(why)
        return client

    async def _recognise(self, authorization: bytes | None) -> ClientApplication:
        if authorization is None:
            raise Denied("credentials are missing", code=UNAUTHENTICATED)
        clock = self._runtime.clock
        known = self._known.get(authorization)
        if known is None or clock.monotonic() - known[1] > TRUST_S:
            client = await self._identify(authorization)
        else:
            client = known[0]
        if not client.is_valid(clock.now()):
            raise Denied("these credentials are no longer valid", code=UNAUTHENTICATED)
        return client

    def forget(self) -> None:
        """A client application was changed through this server: look again before the next answer."""
        self._known.clear()

    async def _identify(self, authorization: bytes) -> ClientApplication:
        self._known.pop(authorization, None)
        form = _BEARER.fullmatch(authorization)
        if form is None:
            raise Denied("credentials look like client.sdk.<client id>.<hash>", code=UNAUTHENTICATED)
        client_id = form[1].decode()
        at = self._runtime.clock.monotonic()
        client = await self._runtime.read(lambda reads: reads.client(client_id))
        known_hash = client.token_hash if client else "0" * 64
        matches = hmac.compare_digest(known_hash, stored_hash(form[2].decode()))
        if client is None or not matches:
            raise Denied("unknown client or wrong token", code=UNAUTHENTICATED)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[authorization] = (client, at)
        return client
