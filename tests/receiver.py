"""An HTTP server of a test's own that takes webhooks, and may refuse them."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    document: dict


@dataclass
class Receiver:
    """`refuse` says for the how-manieth request which status it is answered with; None takes it."""

    refuse: Callable[[int], int | None] = lambda _: None
    taken: list[Received] = field(default_factory=list)
    requests: int = 0

    def __enter__(self) -> Self:
        receiver = self
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    receiver.requests += 1
                    status = receiver.refuse(receiver.requests)
                    if status is None:
                        receiver.taken.append(Received(self.path, dict(self.headers), body, json.loads(body)))
                self.send_response(200 if status is None else status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def events(self) -> list[tuple[str, str]]:
        """The events in the order in which they came first: each id once, with what it tells."""
        found = {each.document["id"]: each.document["event"] for each in self.taken}
        return list(found.items())
