"""The operating-system user that Postgres runs as, and what that user can reach. Does I/O.

Postgres refuses to run as root. As root we therefore run it as another user that exists already (none is made), by
setuid in the child alone; as anyone else we run it as ourselves, and the account is None.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Account", "can_reach", "claim", "is_safe_parent", "run_as", "server_environment", "service_account"]

SERVICE_USERS = ("postgres", "nobody")
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user to become before a program of Postgres is run; it keeps no supplementary groups."""

    name: str
    uid: int
    gid: int

    @classmethod
    def owning(cls, path: Path) -> Account:
        """The owner of `path`."""
        status = path.stat()
        try:
            name = pwd.getpwuid(status.st_uid).pw_name
        except KeyError:
            name = str(status.st_uid)
        return cls(name=name, uid=status.st_uid, gid=status.st_gid)


def service_account() -> Account | None:
    """Whom to run Postgres as: None means as ourselves; as root it is `postgres`, else `nobody`.

    Raises EmbeddedServerError where we are root and neither user exists.
    """
    if os.geteuid() != 0:
        return None
    for name in SERVICE_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise EmbeddedServerError(
        f"Postgres does not run as root, and none of the users {', '.join(SERVICE_USERS)} exists",
        hint="run reconciler as another user than root, or add a system user `postgres`",
    )


def server_environment() -> Mapping[str, str]:
    """What Postgres's programs see of our environment: no PG* variable of ours may reach them."""
    kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


def run_as(
    account: Account | None, command: Sequence[str], *, pass_fds: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as `account`; its output is captured, its exit status is for the caller to judge.

    Raises EmbeddedServerError where it cannot be started at all.
    """
    try:
        return subprocess.run(  # noqa: S603 - a program of the folder that the caller named
            command,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            env=server_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            pass_fds=pass_fds,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        as_whom = f" as user {account.name}" if account else ""
        raise EmbeddedServerError(
            f"cannot run {command[0]}{as_whom}: {exc}",
            hint="is it built for this machine, and may this process change its user?",
        ) from exc


def can_reach(account: Account | None, path: Path) -> bool:
    """Can the account enter (a folder) or execute (a program) `path`? Asked of the kernel, so that ACLs count."""
    if account is None:
        return os.access(path, os.R_OK | os.X_OK)
    return run_as(account, ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]).returncode == 0


def claim(folder: Path) -> Path:
    """Make `folder` if it is missing, and see to it that nobody but us can write in it.

    Raises EmbeddedServerError where it is not ours, no folder, or cannot be made.
    """
    try:
        # Others may pass through root's folders, since the server's user must; they cannot list them.
        folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise EmbeddedServerError(
                f"{folder} is not a folder of the user that runs reconciler (its owner is uid {status.st_uid})",
                hint="run as that user, or name another folder",
            )
        if status.st_mode & OTHERS_MAY_WRITE:
            folder.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS_MAY_WRITE)
    except OSError as exc:
        raise EmbeddedServerError(f"cannot use the folder {folder}: {exc.strerror}", hint="name another one") from exc
    return folder


def is_safe_parent(folder: Path) -> bool:
    """True where no other user can rename or replace what we make in `folder`."""
    try:
        status = folder.stat()
    except OSError:
        return False
    sticky = bool(status.st_mode & stat.S_ISVTX)
    return status.st_uid in (0, os.geteuid()) and (sticky or not status.st_mode & OTHERS_MAY_WRITE)
