-- Nothing of the ledger is PUBLIC's: it holds the text of whole schemas. Default privileges may have granted something
-- as the objects were made, so it is taken away by name. What was granted to a role by name stays, but for what lets it put
-- code here that runs with the rights of whoever writes. Objects that belong to a role we are no member of are left as they
-- are: the revoke would do nothing.
DO $$
DECLARE
    object record;
    granted record;
BEGIN
    FOR object IN
        SELECT CASE relation.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, relation.relname AS name
        FROM pg_catalog.pg_class AS relation
        WHERE relation.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :'ledger')
            AND relation.relkind IN ('r', 'S')
            AND relation.relname ~ '^_(acknowledgements|declarations|incidents|ledger|journal|marks|migrations|outbox|runs|snapshots|sources|statements|states|steps|targets|watchers)(_id_seq)?$'
            AND pg_catalog.pg_has_role(relation.relowner, 'USAGE')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s %I.%I FROM PUBLIC', object.kind, :'ledger', object.name);
        FOR granted IN
            SELECT pg_catalog.pg_get_userbyid(acl.grantee) AS role, acl.privilege_type AS privilege
            FROM pg_catalog.pg_class AS relation CROSS JOIN pg_catalog.aclexplode(relation.relacl) AS acl
            WHERE relation.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :'ledger') AND relation.relname = object.name
                AND acl.grantee NOT IN (0, relation.relowner) AND acl.privilege_type IN ('REFERENCES', 'TRIGGER')
                AND NOT pg_catalog.pg_has_role(acl.grantee, relation.relowner, 'MEMBER')
        LOOP
            EXECUTE pg_catalog.format('REVOKE %s ON %s %I.%I FROM %I', granted.privilege, object.kind, :'ledger',
                object.name, granted.role);
        END LOOP;
    END LOOP;
    -- A schema that holds tables of the application is not ours alone: its privileges stay.
    IF (SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = :'ledger')
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_class AS relation
            WHERE relation.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :'ledger')
                AND relation.relkind IN ('r', 'p', 'v', 'm', 'f')
                AND relation.relname !~ '^_(acknowledgements|declarations|incidents|ledger|journal|marks|migrations|outbox|runs|snapshots|sources|statements|states|steps|targets|watchers)$'
        )
    THEN
        REVOKE ALL ON SCHEMA :ledger FROM PUBLIC;
        FOR granted IN
            SELECT pg_catalog.pg_get_userbyid(acl.grantee) AS role
            FROM pg_catalog.pg_namespace AS namespace CROSS JOIN pg_catalog.aclexplode(namespace.nspacl) AS acl
            WHERE namespace.nspname = :'ledger' AND acl.grantee NOT IN (0, namespace.nspowner)
                AND acl.privilege_type = 'CREATE' AND NOT pg_catalog.pg_has_role(acl.grantee, namespace.nspowner, 'MEMBER')
        LOOP
            EXECUTE pg_catalog.format('REVOKE CREATE ON SCHEMA %I FROM %I', :'ledger', granted.role);
        END LOOP;
    END IF;
END
$$;
