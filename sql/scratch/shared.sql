-- What all databases share, a row each: its kind, its name, a digest. What is of the temporary database `own`, and other
-- temporary databases and roles of ours, are left out. Runs in whatever path a source has set.
select 'role', r.rolname::pg_catalog.text, pg_catalog.md5(r::pg_catalog.text)
from {roles} r where not pg_catalog.starts_with(r.rolname::pg_catalog.text, {prefix})
union all
select 'membership', pg_catalog.concat(pg_catalog.pg_get_userbyid(m.roleid), ' of ', pg_catalog.pg_get_userbyid(m.member)),
    pg_catalog.md5(m::pg_catalog.text)
from pg_catalog.pg_auth_members m
where not pg_catalog.starts_with(pg_catalog.pg_get_userbyid(m.member)::pg_catalog.text, {prefix})
union all
select 'database', d.datname::pg_catalog.text,
    pg_catalog.md5(pg_catalog.concat(d.datdba, d.datacl::pg_catalog.text, d.datallowconn, d.datconnlimit, d.datistemplate))
from pg_catalog.pg_database d
where d.datname OPERATOR(pg_catalog.<>) {own}
    and not pg_catalog.starts_with(d.datname::pg_catalog.text, {prefix})
union all
select 'setting', pg_catalog.concat_ws(' in ',
        case when s.setrole OPERATOR(pg_catalog.<>) 0::pg_catalog.oid then pg_catalog.pg_get_userbyid(s.setrole) end,
        (select d.datname from pg_catalog.pg_database d where d.oid OPERATOR(pg_catalog.=) s.setdatabase)),
    pg_catalog.md5(s.setconfig::pg_catalog.text)
from pg_catalog.pg_db_role_setting s
where not exists (select from pg_catalog.pg_database d where d.oid OPERATOR(pg_catalog.=) s.setdatabase
    and d.datname OPERATOR(pg_catalog.=) {own})
union all
select 'tablespace', t.spcname::pg_catalog.text, pg_catalog.md5(t::pg_catalog.text) from pg_catalog.pg_tablespace t
union all
select 'comment', pg_catalog.pg_describe_object(c.classoid, c.objoid, 0), pg_catalog.md5(c.description)
from pg_catalog.pg_shdescription c
where not exists (select from pg_catalog.pg_database d where d.oid OPERATOR(pg_catalog.=) c.objoid
    and d.datname OPERATOR(pg_catalog.=) {own})
union all
select 'replication origin', o.roname, '' from pg_catalog.pg_replication_origin o
-- A subscription has one of its own, named after it.
where not exists (
    select from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid OPERATOR(pg_catalog.=) s.subdbid
    where d.datname OPERATOR(pg_catalog.=) {own}
        and o.roname OPERATOR(pg_catalog.=) pg_catalog.concat('pg_', s.oid))
--@ if server >= 150000
union all
select 'parameter', p.parname, pg_catalog.md5(p.paracl::pg_catalog.text) from pg_catalog.pg_parameter_acl p
