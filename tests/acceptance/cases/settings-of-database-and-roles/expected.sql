DO $do$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' RESET "work_mem"'; END $do$;
DO $do$ BEGIN EXECUTE 'ALTER ROLE "case_reader" IN DATABASE ' || quote_ident(current_database()) || ' SET "statement_timeout" TO ''9s'''; END $do$;
DO $do$ BEGIN EXECUTE 'ALTER ROLE "case_writer" IN DATABASE ' || quote_ident(current_database()) || ' SET "shop"."mode" TO ''it''''s'''; END $do$;
DO $do$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET "search_path" TO ''$user'', ''app'', ''public'''; END $do$;
