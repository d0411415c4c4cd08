-- All roles: whether this one can give them what it makes, and whether their code may run with its rights, since they
-- can act as it anyway or own the database.
select r.rolname::text, pg_has_role(r.oid, %(membership)s),
    pg_has_role(r.oid, me.oid, 'MEMBER') or r.rolname = 'pg_database_owner'
        or r.oid = (select d.datdba from pg_database d where d.datname = current_database())
from pg_roles r
join pg_roles me on me.rolname = current_user
