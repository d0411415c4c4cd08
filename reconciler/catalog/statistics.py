"""What a plan asks of live beside facts: sizes, use of indexes, versions of extensions. Does I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.db.connections import fetch_all
from reconciler.model.facts import FactId
from reconciler.model.hazards import IndexUse, TableSize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.db.connections import Connection
    from reconciler.model.snapshot import Snapshot

__all__ = ["read_index_use", "read_sizes", "read_unalterable_extensions"]


def read_unalterable_extensions(connection: Connection, live: Snapshot, goal: Snapshot) -> frozenset[FactId]:
    """The extensions that must be recreated to become what the goal has: no SET SCHEMA or UPDATE leads there."""
    changed = [
        (fact.name[0], now, wanted)
        for fact in live.facts
        if fact.kind == "extension" and fact in goal.facts and live.facts[fact] != goal.facts[fact]
        for now, wanted in [(live.definition(fact), goal.definition(fact))]
    ]
    if not changed:
        return frozenset()
    rows = fetch_all(
        connection,
        "select w.name from unnest(%s::text[], %s::text[], %s::text[], %s::bool[]) w(name, source, target, moves)"
        " join pg_catalog.pg_extension e on e.extname = w.name"
        " where (w.moves and not e.extrelocatable) or (w.source <> w.target and not exists ("
        "   select from pg_catalog.pg_extension_update_paths(e.extname) p"
        "   where p.source = w.source and p.target = w.target and p.path is not null))",
        (
            [name for name, _, _ in changed],
            [str(now["version"]) for _, now, _ in changed],
            [str(wanted["version"]) for _, _, wanted in changed],
            [now["schema"] != wanted["schema"] for _, now, wanted in changed],
        ),
    )
    return frozenset(FactId("extension", (name,)) for (name,) in rows)


def read_sizes(connection: Connection, tables: Sequence[FactId]) -> dict[FactId, TableSize]:
    """Estimated rows and bytes on disk of these tables, partitions included."""
    rows = fetch_all(
        connection,
        "select n.nspname::text, c.relname::text, sum(case when p.reltuples < 0 then -1 else p.reltuples end)::bigint,"
        " sum(pg_catalog.pg_total_relation_size(p.oid))::bigint, sum(pg_catalog.pg_relation_size(p.oid)) = 0"
        " from pg_catalog.pg_class c"
        " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " cross join lateral ("
        "   select q.oid, q.reltuples from pg_catalog.pg_class q where q.oid = c.oid and c.relkind <> 'p'"
        "   union all select q.oid, q.reltuples from pg_catalog.pg_partition_tree(c.oid) t"
        "   join pg_catalog.pg_class q on q.oid = t.relid where c.relkind = 'p' and t.isleaf) p"
        " where (n.nspname::text, c.relname::text) in (select * from unnest(%s::text[], %s::text[]))"
        " and c.relkind in ('r', 'p') group by 1, 2",
        ([table.name[0] for table in tables], [table.name[1] for table in tables]),
    )
    return {
        FactId("table", (schema, table)): TableSize(rows=count, bytes=size, is_empty=bool(is_empty))
        for schema, table, count, size, is_empty in rows
    }


def read_index_use(connection: Connection, indexes: Sequence[tuple[str, str]]) -> dict[tuple[str, str], IndexUse]:
    """How often these indexes (schema, name) were scanned on this server, with those of partitions that belong to them.

    Postgres says since when only for all statistics of the database together (pg_stat_database.stats_reset).
    """
    rows = fetch_all(
        connection,
        "select n.nspname::text, c.relname::text, sum(coalesce(s.idx_scan, 0))::bigint,"
        " (select d.stats_reset from pg_catalog.pg_stat_database d where d.datname = pg_catalog.current_database())"
        " from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " cross join lateral (select c.oid union select t.relid from pg_catalog.pg_partition_tree(c.oid) t) p(oid)"
        " left join pg_catalog.pg_stat_all_indexes s on s.indexrelid = p.oid"
        " where (n.nspname::text, c.relname::text) in (select * from unnest(%s::text[], %s::text[]))"
        " and c.relkind in ('i', 'I') group by 1, 2",
        ([schema for schema, _ in indexes], [index for _, index in indexes]),
    )
    return {(schema, index): IndexUse(scans=scans, since=since) for schema, index, scans, since in rows}
