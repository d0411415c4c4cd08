-- What this role, which is no superuser, may do beyond a database, so that no rollback takes it back, and the statement
-- that takes that from it. Who may create roles may grant them to itself.
select 'the attribute REPLICATION', format('ALTER ROLE %I NOREPLICATION', rolname)
from pg_roles where rolname = current_user and rolreplication
union all
select 'the attribute CREATEROLE', format('ALTER ROLE %I NOCREATEROLE', rolname)
from pg_roles where rolname = current_user and rolcreaterole
union all
select format('the rights of role %s', p.rolname), format('REVOKE %I FROM %I', g.rolname, current_user)
from pg_roles p
join pg_auth_members m on pg_has_role(m.roleid, p.oid, 'MEMBER')
join pg_roles g on g.oid = m.roleid
join pg_roles me on me.oid = m.member
where me.rolname = current_user and p.rolname in ('pg_create_subscription', 'pg_execute_server_program',
    'pg_read_server_files', 'pg_signal_backend', 'pg_write_server_files')
order by 1, 2
limit 1
