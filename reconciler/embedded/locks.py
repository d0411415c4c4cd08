"""File locks that end with their process, however it ends. Does I/O.

flock(2) belongs to an open file, not to a process: a child that inherits the descriptor holds the same lock, and the
kernel gives it back when the last copy is closed, also after kill -9. So a lock that a child may share is given up by
closing, not by LOCK_UN, which would take it from the child too.
"""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

__all__ = ["FileLock", "wait_until"]

POLL_SECONDS = 0.01


class FileLock:
    """One open lock file; a context manager that closes it, and with it gives up what it holds."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def try_shared(self) -> bool:
        """Take the lock together with others; False where someone holds it alone."""
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Take the lock alone; False where anyone holds it."""
        return self._try(fcntl.LOCK_EX)

    def release(self) -> None:
        """Give up the lock at once, for every process that has inherited it."""
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give up the lock, unless another process has inherited it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _try(self, operation: int) -> bool:
        try:
            fcntl.flock(self.fd, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def wait_until(ready: Callable[[], bool], *, seconds: float) -> bool:
    """Ask `ready` every few milliseconds; False where it stayed untrue for that long."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
