"""A network between a store and its database that can be cut at an instant that matters."""

import socket
import threading
from contextlib import suppress
from enum import Enum, auto
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class Cut(Enum):
    NEVER = auto()
    BEFORE = auto()
    """The bytes never reach the database."""
    AFTER = auto()
    """They do, and the database acts on them; its answer never comes back."""
    LATE = auto()
    """They do, but only when `let_go` is called."""


class Proxy:
    """Passes everything on; when `mark` is seen on the way to the database, the connection is cut, once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}"))
        self.cut, self.mark = Cut.NEVER, b""
        self.cuts = 0
        self._late, self._arrived = threading.Event(), threading.Event()
        self._mute: socket.socket | None = None
        """What comes from here is not passed on any more."""
        self._answered = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                for ends in ((client, server), (server, client)):
                    threading.Thread(
                        target=self._pass_on, args=(*ends, ends[0] is client), daemon=True
                    ).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, to_database: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if to_database and self.cut is not Cut.NEVER and self.mark in data:
                    self._cut_here(source, target, data)
                    return
                if source is self._mute:
                    self._answered.set()
                    continue
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _cut_here(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        cut, self.cut = self.cut, Cut.NEVER
        self.cuts += 1
        if cut is Cut.AFTER:
            self._mute = server
            server.sendall(data)
            # Or whoever asks whether it was done would be there first.
            self._answered.wait(20)
        # The client hears nothing more, whatever the database is about to say.
        client.shutdown(socket.SHUT_RDWR)
        if cut is Cut.LATE:
            self._late.wait(20)
            server.sendall(data)
            server.recv(65_536)
            self._arrived.set()
        elif cut is Cut.BEFORE:
            server.shutdown(socket.SHUT_RDWR)

    def let_go(self) -> None:
        """What was late arrives now; returns when the database has answered."""
        self._late.set()
        assert self._arrived.wait(20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
