"""Whether a folder is one whose files may tell us what to run, as git's safe.directory decides it. Does I/O.

What a configuration names is run as the user who calls us: `cmd:` in a shell, `python:` by an import. So it counts only
where nobody else could have written it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from reconciler.errors import ConfigError

__all__ = ["SAFE_VARIABLE", "is_declared_safe", "require_own"]

# Folders that are taken whoever owns them, separated as in PATH; `*` for all.
SAFE_VARIABLE = "RECONCILER_SAFE_DIRECTORY"
_ROOT = 0


def require_own(path: Path, what: str) -> None:
    """Returns where `path` and its folder belong to this user or to root, and not everybody may write to them.

    `what` is what would be taken from there, in words. Raises ConfigError, with what to do.
    """
    folder = path if path.is_dir() else path.parent
    if is_declared_safe(folder):
        return
    for each in dict.fromkeys((folder, path)):
        reason = _not_ours(each)
        if reason is not None:
            trusting = f"where you trust all who can write there, set {SAFE_VARIABLE}={folder.resolve()}"
            raise ConfigError(
                f"{what} is not taken from {path}: {each} {reason[0]}", hint=f"{reason[1]}, or, {trusting}"
            )


def is_declared_safe(folder: Path) -> bool:
    """Whether the environment names the folder as one to be trusted."""
    named = [each for each in os.environ.get(SAFE_VARIABLE, "").split(os.pathsep) if each]
    return "*" in named or folder.resolve() in {Path(each).resolve() for each in named}


def _not_ours(path: Path) -> tuple[str, str] | None:
    """What is wrong with the owner or the mode, and what mends it."""
    if not hasattr(os, "geteuid"):
        return None
    found = path.stat()
    us = os.geteuid()
    ours = {us, _ROOT}
    if us == _ROOT and os.environ.get("SUDO_UID", "").isdigit():
        ours.add(int(os.environ["SUDO_UID"]))
    if found.st_uid not in ours:
        return f"belongs to user {found.st_uid}, not to you ({us})", f"run as that user, or: chown {us} {path}"
    if found.st_mode & stat.S_IWOTH:
        return "may be written to by everybody", f"run: chmod o-w {path}"
    return None
