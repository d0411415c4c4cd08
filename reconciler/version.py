"""The version of this program. Does I/O: it reads the installed package's metadata, once."""

from __future__ import annotations

from functools import cache

__all__ = ["program_version"]


@cache
def program_version() -> str:
    """The version of this package, as it is written into the ledger."""
    from importlib import metadata

    try:
        return metadata.version("reconciler")
    except metadata.PackageNotFoundError:
        return "unknown"
