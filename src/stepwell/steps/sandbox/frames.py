"""How a host and a child talk: two lengths, a header (JSON) and a body (bytes). Used on both sides."""

import struct

LENGTHS = struct.Struct(">II")


def frame(header: bytes, body: bytes = b"") -> bytes:
    return LENGTHS.pack(len(header), len(body)) + header + body
