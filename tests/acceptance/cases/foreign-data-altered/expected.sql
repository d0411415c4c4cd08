ALTER FOREIGN DATA WRAPPER "w" OPTIONS (SET "a" '2', ADD "b" '3');
ALTER SERVER "s" VERSION '2' OPTIONS (SET "host" 'two', ADD "port" '5');
ALTER FOREIGN TABLE "shop"."far" OPTIONS (SET "table_name" 'u', ADD "schema_name" 'z');
ALTER FOREIGN TABLE "shop"."far" ALTER COLUMN "b" OPTIONS (SET "column_name" 'y');
ALTER USER MAPPING FOR "case_reader" SERVER "s" OPTIONS (SET "user" 'you');
