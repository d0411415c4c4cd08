-- Who needs whom, as pg_depend has it: whole objects and columns, user's objects only. And which materialized views hold
-- nothing yet, as a row of their own: that is no fact, but says how they are made anew.
select d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, d.refobjsubid, d.deptype::text
from pg_depend d
where d.objid >= 16384 and (d.refobjid >= 16384 or d.refclassid = 'pg_namespace'::regclass)
    and d.deptype in ('n', 'a', 'i', 'e', 'P', 'S')
union all
select 'pg_class'::regclass, c.oid, 0, 'pg_class'::regclass, c.oid, 0, 'unpopulated'
from pg_class c
where c.relkind = 'm' and not c.relispopulated
