"""What others made of our objects: it follows, is recreated exactly as it was, or is named before the plan is shown.

A part of the matrix in docs/borders.md.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import Options, PlanError, Reconciler, State, WhenBehind
from reconciler.embedded.binaries import wheel_bindir

if TYPE_CHECKING:
    from reconciler.embedded import EmbeddedServer

pytestmark = pytest.mark.every_server

BEFORE = """
CREATE TYPE kind AS ENUM ('a', 'b');
CREATE TABLE users (id int PRIMARY KEY, mail text, kind kind, born int);
CREATE TABLE measured (at date NOT NULL, n int) PARTITION BY RANGE (at);
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n';
CREATE TABLE base (n int CHECK (n > 0));
CREATE SEQUENCE numbers;
CREATE TABLE parted (a int, b int, PRIMARY KEY (a, b)) PARTITION BY LIST (b);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
"""
# In a schema of nobody here: a view on a view, a materialized one with an index, a foreign key, a partition, a child, a
# default and a check that call our function, a function over our row type, a rule and a policy that read our table, a
# default that takes numbers from our sequence, keys to a partitioned table, one of them of a partitioned table too.
BILLING = """
CREATE SCHEMA billing;
CREATE TABLE billing.rates (n int);
CREATE VIEW billing.v WITH (security_barrier) AS SELECT id, mail, kind FROM users WHERE born > 0;
CREATE VIEW billing.v_of_v AS SELECT v.*, r.n FROM billing.v v, billing.rates r;
COMMENT ON VIEW billing.v IS 'it''s theirs';
COMMENT ON COLUMN billing.v.mail IS 'a column of theirs';
ALTER VIEW billing.v ALTER mail SET DEFAULT 'm';
GRANT SELECT ON billing.v TO pg_monitor;
GRANT SELECT (n) ON billing.v_of_v TO pg_monitor;
CREATE MATERIALIZED VIEW billing.summed AS SELECT kind, count(*) FROM users GROUP BY kind;
CREATE UNIQUE INDEX summed_kind ON billing.summed (kind);
CREATE TABLE billing.invoices (id int PRIMARY KEY, user_id int NOT NULL CONSTRAINT of_user REFERENCES users
    ON DELETE CASCADE, doubled int DEFAULT twice(2) CHECK (doubled > twice(1)), kind kind DEFAULT 'a');
CREATE TABLE billing.m_2026 PARTITION OF measured FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE billing.child (more int) INHERITS (base);
CREATE FUNCTION billing.mail_of(u users) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT u.mail; END;
CREATE RULE also AS ON INSERT TO billing.rates DO ALSO UPDATE users SET born = 1 WHERE id = 0;
CREATE POLICY theirs ON billing.rates USING (EXISTS (SELECT FROM users WHERE users.id = n));
CREATE TABLE billing.numbered (n bigint DEFAULT nextval('numbers'));
CREATE TABLE billing.of_parted (a int, b int, FOREIGN KEY (a, b) REFERENCES parted DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE billing.parts (a int, b int, FOREIGN KEY (a, b) REFERENCES parted ON DELETE CASCADE) PARTITION BY LIST (b);
CREATE TABLE billing.parts_1 PARTITION OF billing.parts DEFAULT;
INSERT INTO users VALUES (1, 'm@x', 'a', 1);
INSERT INTO billing.invoices VALUES (7, 1);
"""
# Every column that they use changes its type, the key and the function are others, the parents' columns change.
CHANGED = (
    BEFORE.replace("born int", "born bigint")
    .replace("mail text", "mail varchar(50)")
    .replace("id int PRIMARY KEY", "id bigint CONSTRAINT users_key PRIMARY KEY")
    .replace("n int) PARTITION", "n bigint, more text NOT NULL DEFAULT 'x') PARTITION")
    .replace("twice(n int)", "twice(m int)")
    .replace("2 * n", "m + m")
    .replace("SEQUENCE numbers", "SEQUENCE numbers AS int INCREMENT 2")
    .replace("parted (a int", "parted (c text, a bigint")
    .replace("CHECK (n > 0)", "CHECK (n > 1), d date")
)


def _dump(server: EmbeddedServer, database: str, *options: str) -> str:
    """The schema as pg_dump writes it, without what differs from run to run."""
    found = subprocess.run(
        [str(wheel_bindir() / "pg_dump"), "--schema-only", *options, database],
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line for line in found.stdout.splitlines() if "restrict" not in line)


@pytest.mark.parametrize("scratch", ["auto", "schema"])
def test_what_others_made_of_ours_is_as_it_was_after_a_change(
    server: EmbeddedServer, database: str, scratch: str
) -> None:
    options = Options(allow=frozenset({"all"}), when_behind=WhenBehind.APPLY, scratch=scratch)
    with Reconciler(database, options=options) as reconciler:
        reconciler.migrate(BEFORE)
        with psycopg.connect(database, autocommit=True) as somebody:
            somebody.execute(BILLING)
        before = _dump(server, database, "--schema", "billing")
        assert reconciler.plan(BEFORE).plan.is_empty

        done = reconciler.migrate(CHANGED)

        left_out = [each for each in done.warnings if each.startswith("not rehearsed, as the copy is in the live")]
        assert [("billing.v" in each, "billing.invoices" in each) for each in left_out] == (
            [(True, True)] if scratch == "schema" else []
        )
        assert reconciler.plan(CHANGED).plan.is_empty
        assert reconciler.migrate(CHANGED).skipped
        assert {each.state for each in reconciler.check(CHANGED).objects} == {State.IN_SYNC}
        assert {each.state for each in reconciler.check().objects} == {State.IN_SYNC}
        reconciler.migrate(BEFORE)
    assert _dump(server, database, "--schema", "billing") == before


def test_a_dropped_object_that_others_use_is_named_before_the_plan_is_shown(database: str) -> None:
    options = Options(allow=frozenset({"all"}), when_behind=WhenBehind.APPLY)
    with Reconciler(database, options=options) as reconciler:
        reconciler.migrate(BEFORE)
        with psycopg.connect(database, autocommit=True) as somebody:
            somebody.execute("GRANT SELECT ON users TO pg_monitor")
        reconciler.migrate("CREATE VIEW inv AS SELECT mail FROM public.users", plugin="billing")
        reconciler.migrate(BEFORE)
        with psycopg.connect(database, autocommit=True) as somebody:
            somebody.execute("CREATE SCHEMA free; CREATE VIEW free.v AS SELECT twice(id) FROM users")
        without = BEFORE.replace("mail text, ", "").replace("FUNCTION twice", "FUNCTION thrice")
        with pytest.raises(PlanError) as caught:
            reconciler.plan(without)
        assert "view billing.inv (plugin billing) uses column public.users.mail" in caught.value.message
        assert "view free.v uses function public.twice(n integer)" in caught.value.message
        assert "CASCADE" not in caught.value.describe()
        # What the other plugin no longer uses can go.
        reconciler.migrate("CREATE VIEW inv AS SELECT id FROM public.users", plugin="billing")
        reconciler.migrate(BEFORE.replace("mail text, ", ""))


def test_what_others_made_of_rarer_kinds_follows_too(database: str) -> None:
    before = """
    CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%');
    CREATE TYPE pair AS (a int, b int);
    CREATE TYPE kind AS ENUM ('a', 'b');
    CREATE TABLE t (id int PRIMARY KEY, n int, p text);
    CREATE TABLE parted (id int, at date NOT NULL) PARTITION BY RANGE (at);
    CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE FUNCTION on_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE FUNCTION is_fine(m text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT m IS NOT NULL';
    """
    after = (
        before.replace("text CHECK (VALUE LIKE", "varchar(99) CHECK (VALUE LIKE '%@%.%' OR VALUE LIKE")
        .replace("b int);", "b int, c text);")
        .replace("('a', 'b')", "('c', 'b', 'a')")
        .replace("n int, p text", "n bigint, p varchar(9)")
        .replace("id int, at", "id bigint, more text, at")
        .replace("BEGIN END", "BEGIN PERFORM 1; END")
        .replace("BEGIN RETURN new; END", "BEGIN RETURN NULL; END")
        .replace("is_fine(m text)", "is_fine(mail text)")
        .replace("m IS NOT NULL", "mail IS NOT NULL")
    )
    with Reconciler(database, options=Options(allow=frozenset({"all"}), when_behind=WhenBehind.APPLY)) as reconciler:
        reconciler.migrate(before)
        with psycopg.connect(database, autocommit=True) as somebody:
            somebody.execute("""
                CREATE SCHEMA free;
                CREATE DOMAIN free.mail AS mail CHECK (is_fine(VALUE));
                CREATE TYPE free.two AS (p pair, t t, k kind);
                CREATE TABLE free.holds (m free.mail, ms mail[], p pair, ps pair[], two free.two, k kind[]);
                INSERT INTO free.holds VALUES ('a@b', '{c@d}', (1, 2), ARRAY[(3, 4)::pair], ((5, 6), (7, 8, 'x'), 'b'),
                    '{a,b}');
                CREATE TRIGGER theirs BEFORE INSERT ON free.holds FOR EACH ROW EXECUTE FUNCTION on_row();
                ALTER TABLE free.holds DISABLE TRIGGER theirs;
                CREATE STATISTICS free.both ON id, n FROM t;
                COMMENT ON STATISTICS free.both IS 'theirs';
                CREATE EVENT TRIGGER theirs ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION on_ddl();
                ALTER EVENT TRIGGER theirs ENABLE ALWAYS;
                CREATE PUBLICATION theirs FOR TABLE t;
                CREATE FOREIGN DATA WRAPPER theirs;
                CREATE SERVER theirs FOREIGN DATA WRAPPER theirs;
                CREATE FOREIGN TABLE free.part PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
                    SERVER theirs OPTIONS (a 'b');
            """)
            for source in (after, before):
                reconciler.migrate(source)
                assert reconciler.plan(source).plan.is_empty
                assert {each.state for each in reconciler.check(source).objects} <= {State.IN_SYNC, State.UNMANAGED}
                row = somebody.execute(
                    "SELECT m, ms::text, (p).a, (ps[1]).b, ((two).p).b, (two).k::text, k::text, (SELECT evtenabled FROM"
                    " pg_event_trigger), (SELECT count(*) FROM pg_publication_rel), (SELECT tgenabled FROM pg_trigger"
                    " WHERE tgname = 'theirs'), obj_description((SELECT oid FROM pg_statistic_ext), 'pg_statistic_ext'),"
                    " (SELECT ftoptions FROM pg_foreign_table) FROM free.holds"
                ).fetchone()
                assert row == ("a@b", "{c@d}", 1, 4, 6, "b", "{a,b}", "A", 1, "D", "theirs", ["a=b"])


def test_what_postgres_drops_with_our_column_goes_with_all_that_hangs_on_it(database: str) -> None:
    with Reconciler(database, options=Options(allow=frozenset({"all"}))) as reconciler:
        reconciler.migrate("CREATE TABLE t (a int, b int, c int)")
        with psycopg.connect(database, autocommit=True) as somebody:
            somebody.execute("""
                CREATE SCHEMA free;
                CREATE STATISTICS free.s (dependencies) ON a, b FROM t;
                COMMENT ON STATISTICS free.s IS 'theirs';
                CREATE STATISTICS free.stays ON a, c FROM t;
            """)
            without = "CREATE TABLE t (a int, c bigint)"
            reconciler.migrate(without)
            assert reconciler.plan(without).plan.is_empty
            assert somebody.execute("SELECT stxname FROM pg_statistic_ext").fetchall() == [("stays",)]


@pytest.mark.parametrize("scratch", ["auto", "database"])
def test_a_rename_is_followed_by_what_others_made(database: str, scratch: str) -> None:
    options = Options(allow=frozenset({"all"}), when_behind=WhenBehind.APPLY, scratch=scratch)
    renamed = BEFORE.replace("mail text", "email text -- reconciler: renamed from mail\n").replace(
        "CREATE TABLE users", "-- reconciler: renamed from users\nCREATE TABLE people"
    )
    with Reconciler(database, options=options) as reconciler:
        reconciler.migrate(BEFORE)
        with psycopg.connect(database, autocommit=True) as somebody:
            somebody.execute(BILLING)
            reconciler.migrate(renamed)
            assert reconciler.plan(renamed).plan.is_empty
            assert not reconciler.check(renamed).has_drift
            assert somebody.execute("SELECT mail FROM billing.v").fetchall() == [("m@x",)]
            assert somebody.execute("SELECT billing.mail_of(people) FROM people").fetchall() == [("m@x",)]
