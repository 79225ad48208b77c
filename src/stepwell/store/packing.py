"""Large payloads as they are stored: deflated when that is worth it.

A JSON text never begins with the byte that a zlib stream begins with, so the body itself says which of the two it is.
"""

import zlib

from stepwell.model.codec import Json

PACKED_FROM = 65_536
"""Bytes. Below it, deflating costs a turn more than writing; above it, it writes a fifth. The interpreter is free
meanwhile."""
_LEVEL = 1
_ZLIB = 0x78


def pack(payload: Json) -> bytes:
    if len(payload) < PACKED_FROM:
        return payload
    packed = zlib.compress(payload, _LEVEL)
    return packed if len(packed) < len(payload) * 0.9 else payload


def unpack(body: bytes) -> Json:
    return zlib.decompress(body) if body[:1] == bytes((_ZLIB,)) else body
