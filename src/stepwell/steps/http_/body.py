"""Reading a response body within its limit, as it comes and decompressed."""

import zlib
from collections.abc import AsyncIterator


class BodyError(Exception):
    """The body cannot be had. The message says why, beginning with what the body does."""


async def read_body(chunks: AsyncIterator[bytes], declared: int | None, encoding: str, limit: int) -> bytes:
    """`declared` is the Content-Length, `encoding` the Content-Encoding. Raises BodyError."""
    if declared is not None and declared > limit:
        raise _too_large(limit)
    inflate = _decoder(encoding, limit)
    read, kept = 0, bytearray()
    async for chunk in chunks:
        read += len(chunk)
        if read > limit:
            raise _too_large(limit)
        kept += inflate.feed(chunk, limit - len(kept))
    if read and not inflate.complete:
        raise BodyError(f"ends in the middle of its {encoding} compression")
    return bytes(kept)


def _too_large(limit: int) -> BodyError:
    return BodyError(f"is larger than {limit:,} bytes")


class _Plain:
    complete = True

    def feed(self, chunk: bytes, _room: int) -> bytes:
        return chunk


class _Inflate:
    """gzip (several members too) and deflate, with and without the zlib wrapping that some servers leave out."""

    def __init__(self, encoding: str, limit: int) -> None:
        self._encoding = encoding
        self._limit = limit
        self._window = zlib.MAX_WBITS | 16 if encoding == "gzip" else zlib.MAX_WBITS
        self._stream: zlib._Decompress | None = None
        self._begun = False
        self.complete = False

    def feed(self, chunk: bytes, room: int) -> bytes:
        """Raises BodyError when more than `room` bytes come out, or when it is no such compression."""
        out = bytearray()
        while chunk and not (self.complete and self._window <= zlib.MAX_WBITS):
            stream = self._stream or self._open(chunk)
            try:
                # One byte more than there is room for, to tell a full body from a larger one.
                out += stream.decompress(chunk, room - len(out) + 1)
            except zlib.error as error:
                raise BodyError(f"is not {self._encoding}, although it says so") from error
            if len(out) > room:
                raise _too_large(self._limit)
            chunk = stream.unused_data if stream.eof else stream.unconsumed_tail
            self.complete = stream.eof
            self._stream = None if stream.eof else stream
        return bytes(out)

    def _open(self, chunk: bytes) -> "zlib._Decompress":
        # The zlib header: method 8 in the low half of its first byte. Raw deflate practically never begins so.
        if not self._begun and self._encoding == "deflate" and chunk[0] & 0x0F != 8:
            self._window = -zlib.MAX_WBITS
        self._begun = True
        return zlib.decompressobj(self._window)


def _decoder(encoding: str, limit: int) -> _Plain | _Inflate:
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Inflate("gzip", limit)
        case "deflate":
            return _Inflate("deflate", limit)
        case other:
            raise BodyError(f"has the content encoding {other[:40]!r}; gzip and deflate are understood")
