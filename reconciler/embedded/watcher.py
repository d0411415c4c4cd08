"""The process that owns one server: it starts Postgres, waits until nobody uses it any more, and stops it.

Run as a script with the standard library alone, `watcher.py TASK`, where TASK is JSON (see `Task`). It is started by
the server's first user, outlives it while there are others, and holds no connection to any of them:

- every user holds a shared lock on `users.lock`; the watcher waits for the exclusive one. The kernel gives a lock back
  however its process ends, so kill -9 of all users leaves nothing behind;
- should the watcher itself be killed, the kernel sends SIGINT (fast shutdown) to Postgres: PR_SET_PDEATHSIG. That is
  set after setuid, which clears it, and works since this process has one thread: the signal follows the death of the
  thread that forked (prctl(2)).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from types import FrameType

PR_SET_PDEATHSIG = 1
# https://www.postgresql.org/docs/current/server-shutdown.html: fast, then immediate.
SHUTDOWN = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))


class Task(TypedDict):
    """What to run and when to end it."""

    command: list[str]
    user: int | None
    group: int | None
    users_lock: str
    server_lock_fd: int  # inherited by Postgres, so that the lock tells when its last process has ended
    remove: list[str]  # folders to remove at the end
    data_is_kept: bool  # otherwise the server need not shut down in order


class ChildChangedError(Exception):
    """SIGCHLD arrived."""


def main() -> None:
    """Start the server of the task in argv, and return when it has ended."""
    task: Task = json.loads(sys.argv[1])
    if os.fork():  # the user that started us need not reap us
        os._exit(0)
    signal.signal(signal.SIGTERM, _exit)
    # The loader and ctypes must not run between fork and exec.
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = os.getpid()

    def die_with_watcher() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGINT))
        if os.getppid() != watcher:
            os._exit(1)

    server = None
    try:
        server = subprocess.Popen(  # noqa: S603 - the task comes from our own parent
            task["command"],
            user=task["user"],
            group=task["group"],
            extra_groups=None if task["user"] is None else [],
            stdin=subprocess.DEVNULL,
            pass_fds=(task["server_lock_fd"],),
            preexec_fn=die_with_watcher,  # noqa: PLW1509 - there are no threads here
        )
        _wait_for_last_user(server, task["users_lock"])
    finally:
        if server is not None:
            _stop(server, SHUTDOWN if task["data_is_kept"] else SHUTDOWN[1:])
        for folder in task["remove"]:
            shutil.rmtree(folder, ignore_errors=True)


def _wait_for_last_user(server: subprocess.Popen[bytes], users_lock: str) -> None:
    """Return when nobody holds the lock, and hold it; or when the server has ended by itself."""
    users = os.open(users_lock, os.O_RDWR)  # never closed: who comes now waits until this process has ended
    signal.signal(signal.SIGCHLD, _child_changed)
    with contextlib.suppress(ChildChangedError):
        while server.poll() is None:
            with contextlib.suppress(ChildChangedError):
                fcntl.flock(users, fcntl.LOCK_EX)
                break
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _stop(server: subprocess.Popen[bytes], steps: tuple[tuple[signal.Signals, float], ...]) -> None:
    for number, seconds in steps:
        if server.poll() is not None:
            return
        server.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(seconds)


def _child_changed(_signal: int, _frame: FrameType | None) -> None:
    raise ChildChangedError


def _exit(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
