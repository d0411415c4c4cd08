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
"""
# In a schema of nobody here: a view on a view, a materialized one with an index, a foreign key, a partition, a child, a
# default and a check that call our function, a function over our row type, a rule and a policy that read our table.
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
