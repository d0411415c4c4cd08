-- Who needs whom, as pg_depend has it: whole objects and columns, user's objects only.
select d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, d.refobjsubid, d.deptype::text
from pg_depend d
where d.objid >= 16384 and (d.refobjid >= 16384 or d.refclassid = 'pg_namespace'::regclass)
    and d.deptype in ('n', 'a', 'i', 'P', 'S', 'e')
