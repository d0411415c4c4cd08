"""The key under which a built declaration is kept: a digest of all that its build depends on. Reads the live database.

Whatever could make a build give something else is a part of the key, or there is none: a source whose statements run
something, which could look at rows or at the clock, is built each time. What is around the managed schemas is known by
its definitions, which name the schema of all that they use.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from reconciler.catalog.snapshot_reader import catalog_digest, for_server, managed_schemas, read_snapshot
from reconciler.db.connections import fetch_one, transaction
from reconciler.db.ledger_schema import ledger_schema
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.model.facts import FactId, Json, canonical_json
from reconciler.scratch.privileges import says_privileges
from reconciler.source.reach import EffectKind, words_of
from reconciler.source.screening import leading_keywords
from reconciler.version import program_version

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from reconciler.db.connections import Connection
    from reconciler.diff.goal import Scope
    from reconciler.source.reach import Reach
    from reconciler.source.source import Source

__all__ = ["key_of_build"]

# What a source says of privileges is told only as it is built; these constants are times of the build.
_BUILT_EACH_TIME = re.compile(r"default\s+privileges|'\s*(?:now|today|tomorrow|yesterday|allballs)\b", re.IGNORECASE)
# What calls nothing: the first line that pg_dump writes, and a bound of constants.
_HARMLESS = re.compile(
    r"SELECT\s+pg_catalog\.set_config\('search_path', '', false\)"
    r"|(?:CREATE\s+TABLE\s+\S+\s+PARTITION\s+OF\s+\S+|ALTER\s+TABLE\s+(?:ONLY\s+)?\S+\s+ATTACH\s+PARTITION\s+\S+)"
    r"\s+FOR\s+VALUES\s+(?:IN\s*\([^()]*\)|FROM\s*\([^()]*\)\s*TO\s*\([^()]*\)|WITH\s*\([^()]*\))\s*",
    re.IGNORECASE,
)


def key_of_build(
    live: Connection,
    source: Source,
    scope: Scope,
    reach: Reach,
    *,
    kind: str,
    claimed: Sequence[str],
    own: Collection[FactId],
    beside: Collection[FactId],
) -> str | None:
    """The key of what the source builds in a scratch of this kind; None where that may depend on more than is known.

    `claimed`, `own` and `beside` are as for `build`.
    """
    text = "\n".join(statement.sql for statement in source.statements)
    if (
        kind == "server"
        or _runs_more(source, reach)
        or says_privileges(source)
        or _BUILT_EACH_TIME.search(text)
        or ledger_schema(live) in text
    ):
        return None
    others = () if scope.all_schemas else tuple(sorted({*managed_schemas(live)} - {*scope.schemas, *claimed}))
    with transaction(live, force_rollback=True):
        around = read_snapshot(live, others)
    if kind == "schema" and any(fact.kind == "event_trigger" for fact in around.facts):
        return None
    if kind == "database":
        # It begins without what the source declares.
        around = around.without([fact for fact in around.facts if around.object_of(fact) in own])
    parts: dict[str, Json] = {
        "program": [program_version(), catalog_digest(live.info.server_version)],
        "statements": hashlib.sha256("\0".join(each.sql for each in source.statements).encode()).hexdigest(),
        "source": source.digest,
        "scope": [[*scope.schemas], scope.all_schemas, scope.exact, scope.declared_partitions, [*sorted(scope.shared)]],
        "scratch": kind,
        "claimed": [*claimed],
        "own": _names(own),
        "beside": _names(beside),
        "around": [around.fingerprint, [*around.schemas]],
        "server": _server(live, source, text),
    }
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def _runs_more(source: Source, reach: Reach) -> bool:
    """Whether something is run that could give another schema each time: it is no part of that what a materialized view
    holds, if filling it has no effect.
    """
    if reach.first(EffectKind.WRITES, EffectKind.UNKNOWN, EffectKind.CLUSTER) is not None:
        return True
    texts = (source.statements[at].sql for at in reach.running)
    return any(
        leading_keywords(text)[:2] != ("CREATE", "MATERIALIZED") and not _HARMLESS.fullmatch(text) for text in texts
    )


def _names(facts: Collection[FactId]) -> list[Json]:
    return [[fact.kind, *fact.name] for fact in sorted(facts)]


def _server(live: Connection, source: Source, text: str) -> str:
    query = trusted(for_server(read_sql("scratch/key.sql"), live.info.server_version))
    values = {"words": sorted(words_of(source.statements)), "extensions": "extension" in text.lower()}
    row = fetch_one(live, query, values)
    assert row is not None
    return str(row[0])
