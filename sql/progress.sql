-- How far the statement of a server process has come: (what, phase, done, total); no row where Postgres does not tell.
select 'index' as what, p.phase,
    case when p.phase like 'waiting%%' then p.lockers_done when p.blocks_total > 0 then p.blocks_done else p.tuples_done end,
    case when p.phase like 'waiting%%' then p.lockers_total when p.blocks_total > 0 then p.blocks_total else p.tuples_total end
from pg_catalog.pg_stat_progress_create_index p
where p.pid = %(pid)s
union all
select 'table', p.phase, p.heap_blks_scanned, p.heap_blks_total
from pg_catalog.pg_stat_progress_cluster p
where p.pid = %(pid)s
union all
select 'statistics', p.phase, p.sample_blks_scanned, p.sample_blks_total
from pg_catalog.pg_stat_progress_analyze p
where p.pid = %(pid)s
