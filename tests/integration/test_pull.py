"""What live has is written into the files that declare it: after a pull, they build what live has, and say no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import Options, Reconciler
from reconciler.catalog.snapshot_reader import read_snapshot
from reconciler.source.files import read_files, write_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = {
    "app/tables.sql": """\
-- All that customers are.

CREATE TABLE app.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never shown
    email text NOT NULL UNIQUE,
    -- the name as they write it
    name text NOT NULL CHECK (name <> ''), -- reconciler: backfill 'unknown'
    country char(2), /* ISO 3166 */
    legacy_ref text,
    CONSTRAINT country_known CHECK (country <> 'XX')
);

COMMENT ON TABLE app.customers IS 'who buys';
create index customers_country on app.customers (country); -- for the report

create table app.orders (id int primary key, customer bigint references app.customers, total numeric(10,2), note text);
CREATE TABLE app.sessions (token uuid);
ALTER TABLE app.orders ADD COLUMN state text DEFAULT 'new';
""",
    "app/code.sql": """\
CREATE FUNCTION app.twice(n int) RETURNS int LANGUAGE sql AS $$ SELECT n * 2; $$;
CREATE FUNCTION app.once(n int) RETURNS int LANGUAGE sql AS $$ SELECT n; $$;
-- what is open
CREATE VIEW app.open_orders AS SELECT id, customer FROM app.orders WHERE state = 'new';
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER orders_touch BEFORE UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.touch();
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY orders_mine ON app.orders USING (total > 0);
""",
    "app/types.sql": """\
CREATE TYPE app.mood AS ENUM ('sad', 'happy');
CREATE DOMAIN app.price AS numeric CHECK (VALUE >= 0);
CREATE TYPE app.pair AS (a int, b int);
CREATE SEQUENCE app.numbers START 5;
GRANT USAGE ON SCHEMA app TO pg_monitor;
GRANT SELECT ON app.customers, app.sessions TO pg_monitor;
""",
}

pytestmark = pytest.mark.one_server

# What somebody does by hand, and what the files hold of it afterwards.
CHANGES = {
    "a column is added": (
        "ALTER TABLE app.customers ADD COLUMN phone varchar(20) DEFAULT 'none'",
        "    legacy_ref text,\n    phone character varying(20) DEFAULT 'none'::character varying,\n    CONSTRAINT country_known",
    ),
    "a column is dropped": ("ALTER TABLE app.customers DROP COLUMN legacy_ref", "/* ISO 3166 */\n    CONSTRAINT"),
    "a column's type changes": ("ALTER TABLE app.orders ALTER note TYPE varchar(100)", "note character varying(100)"),
    "a column's default changes": ("ALTER TABLE app.customers ALTER country SET DEFAULT 'DE'", "/* ISO 3166 */"),
    "a column becomes NOT NULL": ("ALTER TABLE app.customers ALTER country SET NOT NULL", "/* ISO 3166 */"),
    "a column of a later statement changes": (
        "ALTER TABLE app.orders ALTER state SET DEFAULT 'open'",
        "DEFAULT 'open'",
    ),
    "a column with a constraint beside it changes": (
        "ALTER TABLE app.customers ALTER email TYPE varchar(300)",
        "-- never shown",
    ),
    "a constraint is added": (
        "ALTER TABLE app.customers ADD CONSTRAINT email_has_at CHECK (email LIKE '%@%')",
        "CONSTRAINT email_has_at",
    ),
    "a constraint is dropped": ("ALTER TABLE app.customers DROP CONSTRAINT country_known", "legacy_ref text\n);"),
    "a constraint without a name is dropped": (
        "ALTER TABLE app.customers DROP CONSTRAINT customers_name_check",
        "-- the name as they write it",
    ),
    "a foreign key is added": (
        "ALTER TABLE app.customers ADD COLUMN last_order int REFERENCES app.orders",
        "last_order integer",
    ),
    "a foreign key is dropped": ("ALTER TABLE app.orders DROP CONSTRAINT orders_customer_fkey", "customer bigint"),
    "an index is added": ("CREATE INDEX customers_name ON app.customers (lower(name))", "CREATE INDEX customers_name"),
    "an index changes": (
        "DROP INDEX app.customers_country; CREATE INDEX customers_country ON app.customers (country, name)",
        "; -- for the report",
    ),
    "an index is dropped": ("DROP INDEX app.customers_country", "'who buys';\n\ncreate table app.orders"),
    "a table is added": ("CREATE TABLE app.tags (id int PRIMARY KEY, name text)", None),
    "a table is dropped": ("DROP TABLE app.sessions", "GRANT SELECT ON TABLE app.customers TO pg_monitor"),
    "a view changes": (
        "DROP VIEW app.open_orders; CREATE VIEW app.open_orders AS SELECT id FROM app.orders WHERE state = 'open'",
        "-- what is open\nCREATE",
    ),
    "a view is dropped": ("DROP VIEW app.open_orders", "SELECT n; $$;\nCREATE FUNCTION app.touch()"),
    "a view is added": ("CREATE VIEW app.names AS SELECT name FROM app.customers", None),
    "a function changes": (
        "CREATE OR REPLACE FUNCTION app.twice(n int) RETURNS int LANGUAGE sql AS $$ SELECT n + n; $$",
        "SELECT n + n",
    ),
    "a function is added": ("CREATE FUNCTION app.nothing() RETURNS int LANGUAGE sql AS 'SELECT 0'", None),
    "a trigger changes": (
        (
            "DROP TRIGGER orders_touch ON app.orders; CREATE TRIGGER orders_touch BEFORE INSERT ON app.orders"
            " FOR EACH ROW EXECUTE FUNCTION app.touch()"
        ),
        "BEFORE INSERT",
    ),
    "a trigger is dropped": ("DROP TRIGGER orders_touch ON app.orders", "END $$;\nALTER TABLE app.orders ENABLE"),
    "a policy changes": ("ALTER POLICY orders_mine ON app.orders USING (total > 1)", "(total > (1)::numeric)"),
    "row security is forced": ("ALTER TABLE app.customers FORCE ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY"),
    "row security is off": ("ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY", "CREATE POLICY orders_mine"),
    "an enum gets a value": ("ALTER TYPE app.mood ADD VALUE 'calm' BEFORE 'happy'", "('sad', 'calm', 'happy')"),
    "a domain changes": ("ALTER DOMAIN app.price SET NOT NULL", "NOT NULL"),
    "a composite type changes": ("ALTER TYPE app.pair ADD ATTRIBUTE c text", "c text"),
    "a sequence changes": ("ALTER SEQUENCE app.numbers INCREMENT 7", "INCREMENT BY 7"),
    "a comment changes": ("COMMENT ON TABLE app.customers IS 'who pays'", "'who pays'"),
    "a comment is added": ("COMMENT ON COLUMN app.orders.total IS 'in euro'", "'in euro'"),
    "a comment is dropped": ("COMMENT ON TABLE app.customers IS NULL", ");\n\ncreate index customers_country"),
    "a grant is added": ("GRANT INSERT ON app.sessions TO pg_monitor", "INSERT, SELECT"),
    "a grant is dropped": ("REVOKE SELECT ON app.sessions FROM pg_monitor", "TABLE app.customers TO pg_monitor"),
    "a grant to another role": ("GRANT SELECT ON app.orders TO pg_read_all_data", "pg_read_all_data"),
    "several at once": (
        (
            "ALTER TABLE app.orders RENAME note TO remark; ALTER TABLE app.orders DROP COLUMN state CASCADE;"
            " ALTER TABLE app.orders ADD UNIQUE (customer, total); DROP TYPE app.pair; CREATE TYPE app.pair AS ENUM ('x');"
            " ALTER TABLE app.customers ALTER id DROP IDENTITY, DROP CONSTRAINT customers_pkey CASCADE"
        ),
        "-- never shown",
    ),
}
OPTIONS = Options(schemas=("app",), all_schemas=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "schema" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "schema/app/schema.sql").write_text("CREATE SCHEMA app;\n")
    return tmp_path / "schema"


@pytest.mark.parametrize("what", CHANGES)
def test_after_a_pull_the_files_build_what_live_has(what: str, database: str, folder: Path) -> None:
    statements, held = CHANGES[what]
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate(folder)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(statements.encode())
        assert not reconciler.check(folder).plan.is_empty or reconciler.check(folder).has_drift
        files = read_files([str(folder)], cwd=folder.parent)
        pull = reconciler.plan_pull(files)
        before = {path: path.read_text() for path in folder.rglob("*.sql")}
        write_files(files, pull.changes)

        found = reconciler.check(folder)
        assert found.plan.is_empty
        assert not found.has_drift
    texts = {path: path.read_text() for path in folder.rglob("*.sql")}
    if held is None:
        assert len(texts) == len(before) + 1
        assert all(texts[path] == text for path, text in before.items())
    else:
        assert held in "".join(texts.values())
        assert sum(texts.get(path) != text for path, text in before.items()) <= (3 if what == "several at once" else 2)


# Everything is in one file, as somebody may have written it over the years, or as pg_dump does.
ONE_FILE = """CREATE SCHEMA app;
CREATE TABLE app.plain (id serial PRIMARY KEY, a int CHECK (a > 0), b int REFERENCES app.plain, UNIQUE (a, b));
CREATE TABLE app."Odd ""Name\"\"\" ("select" int, "; drop table x" text DEFAULT ');', "Mixed" text
  , last int);
CREATE TABLE ONLY_PUBLIC (a int);
CREATE TABLE app.parts (id int, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE app.parts_2024 PARTITION OF app.parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE app.parts_rest PARTITION OF app.parts DEFAULT;
CREATE TABLE app.base (id int);
CREATE TABLE app.below (more text) INHERITS (app.base);
CREATE TABLE app.dumped (
    id integer NOT NULL,
    name text
);
ALTER TABLE ONLY app.dumped ADD CONSTRAINT dumped_pkey PRIMARY KEY (id);
CREATE TABLE app.empty ();
CREATE TABLE app.copied AS SELECT id, name FROM app.dumped;
CREATE TABLE app.made (a int, b int GENERATED ALWAYS AS (a * 2) STORED);
CREATE MATERIALIZED VIEW app.sums AS SELECT count(*) AS n FROM app.plain;
CREATE INDEX sums_n ON app.sums (n);
CREATE PROCEDURE app.work(n int) LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE FUNCTION app.f(a int) RETURNS int LANGUAGE sql AS 'SELECT a'; CREATE FUNCTION app.f(a text) RETURNS text LANGUAGE sql AS 'SELECT a';
CREATE AGGREGATE app.total(int) (sfunc = int4pl, stype = int);
CREATE RULE nothing AS ON DELETE TO app.base DO INSTEAD NOTHING;
CREATE STATISTICS app.ab ON a, b FROM app.plain;
CREATE TYPE app.span AS RANGE (subtype = int);
CREATE OPERATOR app.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE COLLATION app.german FROM "C";
CREATE VIEW app.last AS SELECT 1 AS a -- the end
"""
STEPS = (
    "ALTER TABLE app.plain ADD COLUMN c bigserial",
    "ALTER TABLE app.plain DROP COLUMN c",
    "ALTER TABLE app.plain ALTER id TYPE bigint; ALTER SEQUENCE app.plain_id_seq AS bigint INCREMENT 2",
    "ALTER TABLE app.plain DROP CONSTRAINT plain_a_check, DROP CONSTRAINT plain_a_b_key",
    "ALTER TABLE app.plain DROP CONSTRAINT plain_b_fkey, ADD FOREIGN KEY (b) REFERENCES app.plain ON DELETE CASCADE",
    "ALTER TABLE app.plain ADD CONSTRAINT apart EXCLUDE (a WITH =), ALTER b SET STATISTICS 50, ALTER b SET STORAGE PLAIN",
    "ALTER TABLE app.plain SET (fillfactor = 70), SET UNLOGGED, REPLICA IDENTITY FULL, CLUSTER ON plain_pkey",
    'ALTER TABLE app."Odd ""Name""" ADD COLUMN "From" timestamptz, DROP COLUMN last, ALTER "; drop table x" SET NOT NULL',
    'ALTER TABLE app."Odd ""Name""" RENAME "Mixed" TO "MIXED"',
    "ALTER TABLE app.parts ADD COLUMN note text",
    "DROP TABLE app.parts_2024",
    "CREATE INDEX ON app.parts (day)",
    "ALTER TABLE app.base ADD COLUMN extra int",
    "ALTER TABLE app.below NO INHERIT app.base",
    "ALTER TABLE app.dumped ADD COLUMN added int NOT NULL DEFAULT 0, DROP CONSTRAINT dumped_pkey, ADD PRIMARY KEY (id, added)",
    "ALTER TABLE app.empty ADD COLUMN a int, ADD COLUMN b int; COMMENT ON COLUMN app.empty.b IS 'it''s b'",
    "ALTER TABLE app.empty DROP COLUMN a, DROP COLUMN b",
    "ALTER TABLE app.copied ADD COLUMN more text",
    "ALTER TABLE app.made DROP COLUMN b, ADD COLUMN b int GENERATED ALWAYS AS (a * 3) STORED",
    "DROP MATERIALIZED VIEW app.sums; CREATE MATERIALIZED VIEW app.sums AS SELECT count(*) AS n, 1 AS one FROM app.plain",
    "CREATE OR REPLACE PROCEDURE app.work(n int) LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$",
    "CREATE OR REPLACE FUNCTION app.f(a text) RETURNS text LANGUAGE sql AS 'SELECT a || ''$$''; ' STABLE",
    "DROP FUNCTION app.f(int)",
    "DROP AGGREGATE app.total(int); CREATE AGGREGATE app.total(int) (sfunc = int4mul, stype = int, initcond = '1')",
    "CREATE OR REPLACE RULE nothing AS ON UPDATE TO app.base DO INSTEAD NOTHING",
    "DROP RULE nothing ON app.base",
    "DROP STATISTICS app.ab; CREATE STATISTICS app.ab (ndistinct) ON a, b FROM app.plain",
    "DROP OPERATOR app.=== (int, int)",
    "CREATE OPERATOR app.!== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4ne)",
    "CREATE OR REPLACE VIEW app.last AS SELECT 2 AS a",
    "ALTER VIEW app.last SET (security_barrier = true); COMMENT ON VIEW app.last IS 'the last'",
    "CREATE TABLE app.late (id int PRIMARY KEY); ALTER TABLE app.dumped ADD COLUMN late int REFERENCES app.late",
    "ALTER TABLE app.late RENAME TO later; ALTER TABLE app.later ADD COLUMN back int",
    "ALTER TABLE app.later ADD FOREIGN KEY (back, id) REFERENCES app.dumped (id, added)",
    "DROP TABLE app.plain, app.base, app.below CASCADE; CREATE TABLE app.one (a int)",
)


def test_one_file_follows_change_after_change_by_hand(make_database: Callable[[], str], tmp_path: Path) -> None:
    file = tmp_path / "all.sql"
    file.write_text(ONE_FILE.replace("\n", "\r\n"), newline="")
    url = make_database()
    with (
        Reconciler(url, options=Options(schemas=("app", "public"))) as reconciler,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        reconciler.migrate(file)
        for step in STEPS:
            connection.execute(step.encode())
            files = read_files([str(file)], cwd=tmp_path)
            pull = reconciler.plan_pull(files)
            assert [change.path for change in pull.changes] == [file], step
            write_files(files, pull.changes)
            found = reconciler.check(file)
            assert found.plan.is_empty, step
            assert not found.has_drift, step
            text = file.read_bytes().decode()
            assert text.count("\n") == text.count("\r\n"), step
    # The file alone makes the same in a database that has nothing.
    again = make_database()
    with Reconciler(again, options=Options(schemas=("app", "public"))) as reconciler:
        reconciler.migrate(file)
    assert facts_of(again) == facts_of(url)


def facts_of(url: str) -> dict[str, str]:
    """What the managed schemas hold."""
    with psycopg.connect(url) as connection:
        return {str(fact): text for fact, text in read_snapshot(connection, ("app", "public")).facts.items()}
