"""An application of the standard library alone that reconciles its schema as it starts.

DATABASE_URL names the database, PORT the port (8080). `/live` answers as soon as the process runs, `/ready` only when
the schema is as declared, `/` counts the visit. However many replicas start at once, one of them does the work.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg

from reconciler import ReconcilerError, reconcile_on_startup

SCHEMA = Path(__file__).parent / "schema"
DATABASE_URL = os.environ["DATABASE_URL"]
ready = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/live":
            self.answer(200, "live")
        elif not ready.is_set():
            self.answer(503, "the schema is not reconciled yet")
        elif self.path == "/ready":
            self.answer(200, "ready")
        else:
            self.answer(200, f"visits: {count_visit(self.path)}")

    def answer(self, status: int, text: str) -> None:
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Says nothing: a health check each second is no news."""


def count_visit(path: str) -> int:
    with psycopg.connect(DATABASE_URL) as connection:
        connection.execute("INSERT INTO visits (path) VALUES (%s)", (path,))
        row = connection.execute("SELECT visits FROM visits_per_path WHERE path = %s", (path,)).fetchone()
    return row[0] if row else 0


def main() -> int:
    server = ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        done = reconcile_on_startup(DATABASE_URL, {"default": SCHEMA}, timeout_s=60)
    except ReconcilerError as error:
        print(error.describe(), file=sys.stderr)
        return 1
    for plugin, result in done.items():
        print(f"{plugin}: {len(result.statements)} statements", flush=True)
    ready.set()
    stopped.wait()
    server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
