"""The folder that holds one server: its data, its locks, its password. Does I/O.

    cluster/        Postgres's own data folder, of the user that Postgres runs as
    password        of the superuser `postgres`, readable by the folder's owner alone
    server.json     the port and the socket's folder of the server that runs, or ran last
    server.log      what that server says; server.log.1 is the run before
    socket/         its Unix socket
    start.lock      held while one process starts, joins or leaves
    users.lock      shared by all who use the server
    watcher.lock    held by the watcher
    server.lock     held by the watcher and every process of Postgres

As root the data belongs to another user, who must be able to reach it. A project below /root or a private home folder
cannot be reached, and we neither open up its parents nor move it: the server then lives in /var/lib/reconciler/<random>
and `elsewhere` in the project's folder is a symbolic link to it. That link is the record: it moves with the project, a
copy of the project shares the data, and a project whose folder was removed starts afresh.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from reconciler.embedded.account import can_reach, claim, is_safe_parent
from reconciler.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.embedded.account import Account

__all__ = ["Home", "State", "open_home"]

ELSEWHERE = Path("/var/lib/reconciler")
# sockaddr_un.sun_path holds 108 bytes with its final zero; Postgres adds the file's name.
SOCKET_PATH_BYTES = 107
LONGEST_SOCKET_NAME = ".s.PGSQL.65535.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How the server was started: what a second user needs to join it."""

    port: int
    bindir: str
    socket_dir: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The paths of one server's folder; a temporary one goes away with its server."""

    path: Path
    temporary: bool

    @property
    def cluster(self) -> Path:
        """Postgres's data folder."""
        return self.path / "cluster"

    @property
    def log_file(self) -> Path:
        """What the server writes to its standard error."""
        return self.path / "server.log"

    def lock_file(self, name: str) -> Path:
        """The lock `start`, `users`, `watcher` or `server`."""
        return self.path / f"{name}.lock"

    def password(self) -> str:
        """The superuser's password, made when it is first asked for."""
        file = self.path / "password"
        if not file.exists():
            _write_private(file, secrets.token_hex(24))
        return file.read_text()

    def state(self) -> State | None:
        """How the server that runs, or ran last, was started; None where that is not known."""
        try:
            value = json.loads((self.path / "server.json").read_text())
            return State(**cast("dict[str, object]", value))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - our own file
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def record(self, state: State) -> None:
        """Keep `state` for those who join the server."""
        _write_private(self.path / "server.json", json.dumps(asdict(state)))

    def open_log(self) -> int:
        """An empty log file's descriptor; the log of the run before is kept beside it."""
        if self.log_file.exists():
            self.log_file.replace(self.log_file.with_name("server.log.1"))
        return os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the server's log."""
        try:
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def socket_dir(self, account: Account | None) -> Path:
        """A folder for the Unix socket that only the server's user can enter, with a path that is short enough."""
        folder = self.path / "socket"
        if len(os.fsencode(folder / LONGEST_SOCKET_NAME)) > SOCKET_PATH_BYTES:
            folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_temporary_parent(account)))
        else:
            folder.mkdir(mode=0o700, exist_ok=True)
        if account is not None:
            os.chown(folder, account.uid, account.gid)
        return folder


def open_home(data_dir: Path | None, account: Account | None) -> Home:
    """The folder for a server with its data in `data_dir`, or a new temporary one.

    Raises EmbeddedServerError where it is not ours, or no place can be found that `account` can reach.
    """
    if data_dir is None:
        path = Path(tempfile.mkdtemp(prefix="reconciler-", dir=_temporary_parent(account)))
        if account is not None:
            path.chmod(0o711)
        return Home(path=path, temporary=True)
    path = claim(data_dir.absolute())
    ignore = path / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    if not (path / "cluster").exists() and not can_reach(account, path):
        path = _elsewhere(path)
    return Home(path=path.resolve(), temporary=False)


def _elsewhere(data_dir: Path) -> Path:
    """The reachable folder that stands in for `data_dir`: what its link names, else a new one."""
    link = data_dir / "elsewhere"
    if link.is_symlink():
        target = link.readlink()
        if target.parent != ELSEWHERE:
            raise EmbeddedServerError(
                f"{link} leads to {target}, which is not in {ELSEWHERE}",
                hint="remove the link to start with an empty server",
            )
    else:
        target = ELSEWHERE / secrets.token_hex(8)
    if not is_safe_parent(ELSEWHERE.parent):
        raise EmbeddedServerError(f"others than root can write in {ELSEWHERE.parent}")
    claim(ELSEWHERE)
    claim(target)
    if not link.is_symlink():
        link.symlink_to(target)
    return target


def _temporary_parent(account: Account | None) -> Path:
    for parent in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - mkdtemp follows
        if is_safe_parent(parent) and os.access(parent, os.W_OK) and can_reach(account, parent):
            return parent
    raise EmbeddedServerError(
        f"found no temporary folder that user {account.name if account else os.geteuid()} can reach",
        hint="set TMPDIR to one, or name a data folder",
    )


def _write_private(path: Path, text: str) -> None:
    """Replace a file as a whole; only its owner may read it."""
    descriptor, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    Path(new).replace(path)
