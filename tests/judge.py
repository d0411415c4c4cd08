"""Tells whether two databases hold the same schema, without any code of the package: by what pg_dump says of them.

pg_dump writes an entry for each object. Entries are compared as a set, since their order says nothing; the lines of a
table as a set too, since a column that was added later stands at the end.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reconciler.embedded.binaries import wheel_bindir

if TYPE_CHECKING:
    from collections.abc import Iterable

_ENTRY = re.compile(r"^-- Name: .*; Type: (?P<type>[^;]*); Schema: .*$", re.MULTILINE)
# Said once before the first entry that it holds for; a table's own only together with it.
_SETTING = re.compile(r"^SET (default_tablespace|default_table_access_method) = (.*);$")
_NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?(restrict|connect) .*|)$")
# Postgres 18 names NOT NULL constraints; the package looks at whether a column has one, not at its name.
_NOT_NULL_NAME = re.compile(r'CONSTRAINT ("(?:[^"]|"")*"|\S+) (?=NOT NULL)')
# Storage options stand in the order in which they were set.
_OPTIONS = re.compile(r"WITH \(([^()]*)\)")
_UNORDERED = frozenset({"TABLE", "FOREIGN TABLE", "ACL", "DEFAULT ACL", "DATABASE PROPERTIES"})


def differences(found_url: str, wanted_url: str) -> str:
    """What one dump has and the other has not; empty where the schemas are the same."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        found, wanted = pool.map(_entries, (found_url, wanted_url))
    lines = [*_listed("too much", found - wanted), *_listed("missing", wanted - found)]
    return "\n".join(lines)


def _listed(what: str, entries: Counter[str]) -> Iterable[str]:
    return (f"--- {what}:\n{entry}" for entry in sorted(entries.elements()))


def _entries(url: str) -> Counter[str]:
    parts = conninfo_to_dict(url)
    password = str(parts.pop("password", "") or "")
    # The newest pg_dump reads every older server.
    command = [
        str(wheel_bindir() / "pg_dump"), "--schema-only", "--create", "--exclude-schema=migrations",
        f"--dbname={make_conninfo(**parts)}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PGPASSWORD": password})
    if done.returncode:
        raise AssertionError(f"pg_dump failed: {done.stderr}")
    text = _NOT_NULL_NAME.sub("", done.stdout)
    text = re.sub(rf'(?<=DATABASE )"?{re.escape(str(parts["dbname"]))}"?', "judged", text)
    return Counter(_normalised(text))


def _sorted_options(match: re.Match[str]) -> str:
    return f"WITH ({', '.join(sorted(match[1].split(', ')))})"


def _normalised(text: str) -> Iterable[str]:
    settings: dict[str, str] = {}
    starts = [*_ENTRY.finditer(text)]
    for match, following in zip(starts, [*starts[1:], None], strict=True):
        kind = match["type"]
        if kind == "DATABASE":
            continue
        kept: list[str] = []
        for line in text[match.end() : following.start() if following else len(text)].splitlines():
            if setting := _SETTING.match(line):
                settings[setting[1]] = setting[2]
            elif not _NOISE.match(line):
                kept.append(line)
        kept = [_OPTIONS.sub(_sorted_options, line) for line in kept]
        if kind in _UNORDERED:
            kept = sorted(line.strip().removesuffix(",") for line in kept)
        if kind in ("TABLE", "MATERIALIZED VIEW", "INDEX"):
            kept += [f"-- {name} = {value}" for name, value in sorted(settings.items()) if value not in ("''", "heap")]
        if kind == "STATISTICS":
            kept = [" ".join(sorted(re.split(r"[ ,]+", line))) for line in kept]  # columns as they stand in the table
        if kept:
            yield "\n".join(kept)
