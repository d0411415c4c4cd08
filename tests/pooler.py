"""A PgBouncer in transaction mode before a test's server, where one is installed. For tests and benchmarks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from collections.abc import Iterator

DEBIAN = Path("/usr/sbin/pgbouncer")
_DEADLINE_S = 10.0


def pgbouncer() -> str | None:
    """The program, or None where it is not installed (on Debian: `apt-get install pgbouncer`)."""
    return shutil.which("pgbouncer") or (str(DEBIAN) if DEBIAN.exists() else None)


@contextmanager
def pooler(server_url: str, *, pool_size: int, only: str = "*", more: str = "") -> Iterator[str]:
    """A pooler before the server of the URL that lets every database, or `only` one, through; gives its connection string."""
    program = pgbouncer()
    assert program is not None
    server = conninfo_to_dict(server_url)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        configuration = Path(folder) / "pgbouncer.ini"
        behind = {key: server[key] for key in ("host", "port", "user", "password") if server.get(key)}
        configuration.write_text(
            f"[databases]\n{only} = {make_conninfo('', **behind)}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
            f"default_pool_size = {pool_size}\nmax_client_conn = 500\nlogfile = {folder}/log\n{more}\n"
        )
        # PgBouncer refuses to run as root.
        as_user = "nobody" if os.geteuid() == 0 else None
        if as_user:
            shutil.chown(folder, as_user)
            configuration.chmod(0o644)
        process = subprocess.Popen([program, "-q", str(configuration)], user=as_user, stderr=subprocess.DEVNULL)
        try:
            dsn = make_conninfo("", host="127.0.0.1", port=port, user=server["user"], dbname=server["dbname"])
            _wait(dsn, process)
            yield dsn
        finally:
            process.terminate()
            process.wait(_DEADLINE_S)


def _wait(dsn: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        assert process.poll() is None, "pgbouncer did not start"
        try:
            psycopg.connect(dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "pgbouncer does not answer"
            time.sleep(0.02)
        else:
            return
