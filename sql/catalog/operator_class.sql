-- Operator classes with the operators and functions that cannot leave them. Those that can belong to the family, even
-- where CREATE OPERATOR CLASS named them: the access method decides, and pg_depend tells.
--@ only with pg_opclass where oid >= 16384
select 'operator_class' as kind, array[n.nspname::text, c.opcname::text, am.amname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case when c.opcdefault then true end as "default",
        format('%%I.%%I', fn.nspname, f.opfname) as family,
        (select to_json(m.members) from (select array(select row_to_json(y) from (select
                p.amproc::regprocedure::text as function,
                format_type(p.amproclefttype, null) as "left",
                p.amprocnum as number,
                format_type(p.amprocrighttype, null) as "right"
            from pg_depend d join pg_amproc p on p.oid = d.objid
            where d.refclassid = 'pg_opclass'::regclass and d.refobjid = c.oid and d.classid = 'pg_amproc'::regclass
            order by p.amprocnum, format_type(p.amproclefttype, null) collate "C",
                format_type(p.amprocrighttype, null) collate "C") y) as members) m
            where cardinality(m.members) > 0) as functions,
        (select to_json(m.members) from (select array(select json_strip_nulls(row_to_json(y)) from (select
                o.amopstrategy as number,
                o.amopopr::regoperator::text as operator,
                (select format('%%I.%%I', sn.nspname, s.opfname) from pg_opfamily s
                    join pg_namespace sn on sn.oid = s.opfnamespace where s.oid = o.amopsortfamily) as order_by
            from pg_depend d join pg_amop o on o.oid = d.objid
            where d.refclassid = 'pg_opclass'::regclass and d.refobjid = c.oid and d.classid = 'pg_amop'::regclass
            order by o.amopstrategy, o.amopopr::regoperator::text collate "C") y) as members) m
            where cardinality(m.members) > 0) as operators,
        case when c.opckeytype <> 0 then format_type(c.opckeytype, null) end as storage,
        format_type(c.opcintype, null) as type) x) as definition,
    'pg_opclass'::regclass::oid as classid, c.oid as objid, 0 as subid,
    pg_get_userbyid(c.opcowner) as owner, null::text[] as acl, null::text[] as acl_default
from pg_opclass c
join pg_namespace n on n.oid = c.opcnamespace
join pg_am am on am.oid = c.opcmethod
join pg_opfamily f on f.oid = c.opcfamily
join pg_namespace fn on fn.oid = f.opfnamespace
where n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_opclass'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.oid
