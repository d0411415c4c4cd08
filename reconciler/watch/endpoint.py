"""/metrics, /healthz and /readyz by HTTP, in threads of their own. Does I/O.

/healthz says whether the loop goes on, and is what a restart depends on: a database that is down does not mend by one.
/readyz says whether the verdicts are true now, and fails for an incident for which a policy says so.
"""

from __future__ import annotations

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from reconciler.errors import ConfigError
from reconciler.watch.status import Role

if TYPE_CHECKING:
    from reconciler.watch.metrics import Metrics
    from reconciler.watch.watcher import Watcher

__all__ = ["Endpoint", "parse_address"]


def parse_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:9187`, `[::1]:9187` or `:9187` (all addresses). Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"{text} is not an address", hint="write HOST:PORT, e.g. 127.0.0.1:9187")
    return host.strip("[]"), int(port)


class Endpoint:
    """Answers until it is closed. Raises ConfigError where the address cannot be had."""

    def __init__(self, address: tuple[str, int], watcher: Watcher, metrics: Metrics) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 10  # of a client that sends nothing

            def do_GET(self) -> None:
                match self.path.partition("?")[0]:
                    case "/metrics":
                        body, content_type = metrics.text()
                        self._answer(HTTPStatus.OK, body, content_type)
                    case "/healthz":
                        self._say(watcher.is_alive, "ok" if watcher.is_alive else "the loop has stopped")
                    case "/readyz":
                        self._say(*_readiness(watcher))
                    case _:
                        self._answer(HTTPStatus.NOT_FOUND, b"not found\n")

            def _say(self, is_so: bool, text: str) -> None:
                self._answer(HTTPStatus.OK if is_so else HTTPStatus.SERVICE_UNAVAILABLE, f"{text}\n".encode())

            def _answer(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """A scrape each few seconds is no news."""

        try:
            self._server = ThreadingHTTPServer(address, Handler)
        except OSError as exc:
            raise ConfigError(f"cannot listen on {address[0]}:{address[1]}: {exc}") from exc
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="reconciler-endpoint", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens, also where the system chose."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Answers no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _readiness(watcher: Watcher) -> tuple[bool, str]:
    status = watcher.status
    if status.role is Role.STANDBY:
        return True, f"standby: {status.stale}"
    if status.stale is not None:
        return False, f"stale: {status.stale}"
    if status.failing:
        return False, "a policy calls an incident that is open a failure"
    return True, f"ok: by {status.detector}"
