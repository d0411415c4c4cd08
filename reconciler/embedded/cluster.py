"""Postgres's own data folder: made by initdb, checked before a server starts on it. Does I/O."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.embedded.account import run_as
from reconciler.embedded.binaries import major_version
from reconciler.errors import EmbeddedServerError

if TYPE_CHECKING:
    from reconciler.embedded.account import Account
    from reconciler.embedded.home import Home

__all__ = ["SUPERUSER", "check_version", "create_cluster", "is_ready", "remove_stale_pid_file"]

SUPERUSER = "postgres"
LOCALES = ("C.UTF-8", "C")


def create_cluster(home: Home, bindir: Path, account: Account | None, *, sync: bool, lock_fd: int) -> None:
    """Run initdb, into a new folder that is renamed into place when it is whole.

    initdb inherits `lock_fd`: should we be killed, the next one waits until it has ended. Raises EmbeddedServerError.
    """
    for leftover in home.path.glob("cluster-*"):
        shutil.rmtree(leftover)
    new = Path(tempfile.mkdtemp(prefix="cluster-", dir=home.path))
    password_file = Path(tempfile.mkdtemp(prefix="cluster-", dir=home.path)) / "password"
    password_file.write_text(home.password())
    if account is not None:
        for path in (new, password_file.parent, password_file):
            os.chown(path, account.uid, account.gid)
    output = ""
    for locale in LOCALES:
        command = [
            *(str(bindir / "initdb"), "-D", str(new), "-U", SUPERUSER, f"--pwfile={password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", f"--locale={locale}", "--no-instructions"),
            *(() if sync else ("--no-sync",)),
        ]
        result = run_as(account, command, pass_fds=[lock_fd])
        if result.returncode == 0:
            shutil.rmtree(password_file.parent)
            new.rename(home.cluster)
            return
        output = result.stderr.strip()
        if "invalid locale" not in output:
            break
    raise EmbeddedServerError(f"initdb failed in {home.path}: {output}", hint="is there space left on this disk?")


def check_version(home: Home, bindir: Path, account: Account | None) -> None:
    """Raise EmbeddedServerError where the data is of another major version than the programs."""
    data = (home.cluster / "PG_VERSION").read_text().strip()
    programs = str(major_version(bindir, account))
    if data != programs:
        raise EmbeddedServerError(
            f"the data in {home.path} is of Postgres {data}, the programs in {bindir} are of Postgres {programs}",
            hint=f"name the bin folder of Postgres {data}, or another data folder",
        )


def is_ready(cluster: Path) -> bool:
    """Does postmaster.pid say that the server takes connections? Its eighth line is the status."""
    lines = _pid_file_lines(cluster)
    return len(lines) > 7 and lines[7].strip() == "ready"


def remove_stale_pid_file(cluster: Path) -> None:
    """Remove a postmaster.pid that a crash left behind; call it only with server.lock held.

    Postgres itself refuses to start if the number in it has since been given to any other process of the same user.
    Raises EmbeddedServerError where a server that we did not start really runs on this data.
    """
    lines = _pid_file_lines(cluster)
    if lines and lines[0].strip().isdecimal() and _is_postmaster(int(lines[0]), cluster):
        raise EmbeddedServerError(
            f"a server that reconciler did not start runs on {cluster} (process {lines[0].strip()})",
            hint="stop it with pg_ctl stop, or name another data folder",
        )
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _pid_file_lines(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _is_postmaster(pid: int, cluster: Path) -> bool:
    """A server works inside of its data folder; a process of another user cannot be ours, and cannot be looked at."""
    process = Path("/proc", str(pid))
    try:
        return (process / "cwd").readlink() == cluster and (process / "comm").read_text().startswith("postgres")
    except OSError:
        return False
