"""The version of this program. Does I/O: it reads the installed package's metadata, once."""

from __future__ import annotations

from functools import cache

__all__ = ["program_version"]


@cache
def program_version() -> str:
    """The version of the installed package; `unknown` where it is not installed."""
    from importlib import metadata

    try:
        return metadata.version("reconciler")
    except metadata.PackageNotFoundError:  # run from a folder, not installed
        return "unknown"
