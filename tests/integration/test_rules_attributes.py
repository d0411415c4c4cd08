"""NOT NULL constraints, sequences, storage and what hangs on materialized views and constraints: there and back again.

Each case has two states; a plan turns a database of the one into the other and back, and nothing is left to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from moving import guest, make, move, there_and_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.embedded import EmbeddedServer

CASES: dict[str, tuple[str, str]] = {
    "the type of a column under indexes of partitions with names and options of their own": (
        """
        CREATE TABLE app.p (k integer, a text, UNIQUE (k, a)) PARTITION BY LIST (k);
        CREATE TABLE app.c PARTITION OF app.p FOR VALUES IN (1) PARTITION BY LIST (k);
        CREATE TABLE app.d PARTITION OF app.c FOR VALUES IN (1);
        CREATE TABLE app.e (k integer, a text, CONSTRAINT own_key UNIQUE (k, a));
        ALTER TABLE app.p ATTACH PARTITION app.e FOR VALUES IN (2);
        CREATE INDEX own ON app.c (a); CREATE INDEX e_a_idx ON app.e (a) WITH (fillfactor = 70);
        CREATE INDEX whole ON app.p (a);
        """,
        """
        CREATE TABLE app.p (k integer, a varchar(9), UNIQUE (k, a)) PARTITION BY LIST (k);
        CREATE TABLE app.c PARTITION OF app.p FOR VALUES IN (1) PARTITION BY LIST (k);
        CREATE TABLE app.d PARTITION OF app.c FOR VALUES IN (1);
        CREATE TABLE app.e (k integer, a varchar(9), CONSTRAINT own_key UNIQUE (k, a));
        ALTER TABLE app.p ATTACH PARTITION app.e FOR VALUES IN (2);
        CREATE INDEX own ON app.c (a); CREATE INDEX e_a_idx ON app.e (a) WITH (fillfactor = 70);
        CREATE INDEX whole ON app.p (a);
        """,
    ),
    "NOT NULL whose usual name another constraint of the schema has": (
        """
        CREATE TYPE app.e AS ENUM ('a', 'b'); CREATE DOMAIN app.d AS app.e NOT NULL;
        CREATE TABLE app.t (c app.d); CREATE TABLE app.a_b (c integer NOT NULL);
        """,
        """
        CREATE TYPE app.e AS ENUM ('b', 'a'); CREATE DOMAIN app.d AS app.e NOT NULL;
        CREATE TABLE app.t (c app.d); CREATE TABLE app.a_b (c integer NOT NULL);
        CREATE TABLE app.a (b_c integer CONSTRAINT a_b_c_not_null NOT NULL);
        """,
    ),
    "NOT NULL of a domain within records of a type that is recreated": (
        """
        CREATE DOMAIN app.d AS integer; CREATE TYPE app.r AS (a integer, d app.d); CREATE TABLE app.t (c app.r[]);
        """,
        """
        CREATE DOMAIN app.d AS integer NOT NULL; CREATE TYPE app.r AS (d app.d, a integer);
        CREATE TABLE app.t (c app.r[]);
        """,
    ),
    "a foreign key whose key can serve it no more, so that another does": (
        """
        CREATE TABLE app.t (a integer CONSTRAINT one UNIQUE, b integer);
        ALTER TABLE app.t ADD CONSTRAINT self FOREIGN KEY (b) REFERENCES app.t (a); CREATE UNIQUE INDEX two ON app.t (a);
        """,
        """
        CREATE TABLE app.t (a integer CONSTRAINT one UNIQUE DEFERRABLE, b integer); CREATE UNIQUE INDEX two ON app.t (a);
        ALTER TABLE app.t ADD CONSTRAINT self FOREIGN KEY (b) REFERENCES app.t (a) DEFERRABLE;
        """,
    ),
    "an unlogged table that another one with a key to it leaves": (
        """
        CREATE TABLE app.t (a integer PRIMARY KEY); CREATE TABLE app.u (a integer REFERENCES app.t);
        CREATE VIEW app.v AS SELECT a FROM app.u;
        """,
        "CREATE UNLOGGED TABLE app.t (a integer PRIMARY KEY); CREATE VIEW app.v AS SELECT a FROM app.t;",
    ),
    "a domain's default that was written with another search_path": (
        "CREATE TYPE app.mood AS ENUM ('a', 'b'); CREATE DOMAIN app.d AS app.mood;",
        """
        CREATE TYPE app.mood AS ENUM ('a', 'b');
        SET LOCAL search_path = app; CREATE DOMAIN d AS mood DEFAULT 'b'; SET LOCAL search_path = pg_catalog;
        """,
    ),
    "a publication of several tables": (
        "CREATE TABLE app.t (a integer); CREATE TABLE app.u (a integer);",
        """
        CREATE TABLE app.t (a integer); CREATE TABLE app.u (a integer); CREATE TABLE app.w (a integer);
        CREATE PUBLICATION attributes FOR TABLE app.t, app.u, app.w;
        """,
    ),
    "privileges of a table that go, while those of its column stay": (
        """
        CREATE TABLE app.t (a integer);
        GRANT UPDATE ON app.t TO attribute_guest; GRANT UPDATE (a) ON app.t TO attribute_guest;
        """,
        "CREATE TABLE app.t (a integer); GRANT UPDATE (a) ON app.t TO attribute_guest;",
    ),
    "compression and collation of a new column": (
        "CREATE TABLE app.t (a text);",
        """
        CREATE TABLE app.t (a text COMPRESSION pglz COLLATE "C", b text COMPRESSION pglz COLLATE "C");
        CREATE TABLE app.u (a text COMPRESSION pglz COLLATE "C");
        """,
    ),
    "a view that moves to a view that moves to another": (
        """
        CREATE TABLE app.t (id integer, a integer);
        CREATE VIEW app.v0 AS SELECT id, a FROM app.t; CREATE VIEW app.v1 AS SELECT id, a FROM app.t;
        CREATE VIEW app.v2 AS SELECT id FROM app.v0;
        """,
        """
        CREATE TABLE app.t (id integer, a integer);
        CREATE VIEW app.v0 AS SELECT id FROM app.t; CREATE VIEW app.v1 AS SELECT id FROM app.v0;
        CREATE VIEW app.v2 AS SELECT id FROM app.v1;
        """,
    ),
    "a function under a view that moves": (
        """
        CREATE TABLE app.t (id integer, a integer);
        CREATE FUNCTION app.f(a integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
        CREATE VIEW app.v0 AS SELECT id, app.f(a) AS a FROM app.t; CREATE VIEW app.v1 AS SELECT id, app.f(id) AS b FROM app.v0;
        """,
        """
        CREATE TABLE app.t (id integer, a integer);
        CREATE FUNCTION app.f(a integer) RETURNS integer LANGUAGE sql AS 'SELECT 2';
        CREATE VIEW app.v0 AS SELECT app.f(a) AS a FROM app.t; CREATE VIEW app.v1 AS SELECT id, app.f(id) AS b FROM app.t;
        """,
    ),
    "a function under another that changes with it": (
        """
        CREATE FUNCTION app.f(a integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
        CREATE FUNCTION app.g() RETURNS integer LANGUAGE sql RETURN app.f(1) + 1;
        CREATE TABLE app.t (a integer); CREATE POLICY p ON app.t USING (app.f(a) > 0);
        """,
        """
        CREATE FUNCTION app.f(b integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
        CREATE FUNCTION app.g() RETURNS integer LANGUAGE sql RETURN app.f(1) + 2;
        CREATE TABLE app.t (a integer); CREATE POLICY p ON app.t USING (app.f(a) > 1);
        """,
    ),
    "sequences that turn round, and their bounds": (
        """
        CREATE SEQUENCE app.s1;
        CREATE SEQUENCE app.s2 AS smallint;
        CREATE SEQUENCE app.s3 MINVALUE 5 MAXVALUE 200;
        CREATE SEQUENCE app.s4 AS smallint MINVALUE -32768 START 1;
        CREATE SEQUENCE app.s5 AS integer MAXVALUE 100;
        """,
        """
        CREATE SEQUENCE app.s1 INCREMENT -2;
        CREATE SEQUENCE app.s2 AS bigint INCREMENT -1;
        CREATE SEQUENCE app.s3 MINVALUE 300 START 1000;
        CREATE SEQUENCE app.s4 AS bigint;
        CREATE SEQUENCE app.s5 AS bigint MAXVALUE 100;
        """,
    ),
    "identity columns that turn round, and their bounds": (
        """
        CREATE TABLE app.t (a bigint GENERATED BY DEFAULT AS IDENTITY,
            b integer GENERATED ALWAYS AS IDENTITY (MINVALUE 5 MAXVALUE 20),
            c integer GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5 MINVALUE 2 MAXVALUE 1000 CYCLE));
        """,
        """
        CREATE TABLE app.t (a smallint GENERATED ALWAYS AS IDENTITY (START WITH -5 INCREMENT -1),
            b bigint GENERATED ALWAYS AS IDENTITY (MINVALUE 50),
            c integer GENERATED BY DEFAULT AS IDENTITY);
        """,
    ),
    "storage, which another type brings along": (
        """
        CREATE TABLE app.t (a text, b numeric, c inet, d text);
        ALTER TABLE app.t ALTER a SET STORAGE external, ALTER b SET STORAGE external, ALTER c SET STORAGE external,
            ALTER d SET STORAGE external;
        """,
        """
        CREATE TABLE app.t (a varchar(20), b numeric, c inet, d numeric);
        ALTER TABLE app.t ALTER a SET STORAGE external;
        """,
    ),
    "columns that parents bring, with settings of their own": (
        """
        CREATE TABLE app.p (a integer);
        CREATE TABLE app.c () INHERITS (app.p);
        CREATE TABLE app.r (k integer) PARTITION BY LIST (k);
        CREATE TABLE app.r_1 PARTITION OF app.r FOR VALUES IN (1);
        """,
        """
        CREATE TABLE app.p (a integer, b text, d text COMPRESSION pglz);
        CREATE TABLE app.c () INHERITS (app.p);
        CREATE TABLE app.n () INHERITS (app.p);
        ALTER TABLE ONLY app.p ALTER b SET STORAGE external;
        ALTER TABLE app.c ALTER b SET STATISTICS 7, ALTER b SET NOT NULL, ALTER d SET (n_distinct = 5);
        ALTER TABLE app.n ALTER b SET STORAGE main, ALTER b SET NOT NULL, ALTER a SET NOT NULL,
            ALTER a ADD GENERATED ALWAYS AS IDENTITY,
            ALTER d SET COMPRESSION default;
        CREATE TABLE app.r (k integer, b text) PARTITION BY LIST (k);
        CREATE TABLE app.r_1 PARTITION OF app.r FOR VALUES IN (1);
        ALTER TABLE app.r_1 ALTER b SET STORAGE external, ALTER b SET NOT NULL, ALTER b SET STATISTICS 9;
        """,
    ),
    "the columns of a materialized view": (
        "CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS a, 'x'::text AS b;",
        """
        CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS a, 'x'::text AS b;
        ALTER MATERIALIZED VIEW app.m ALTER b SET STORAGE external, ALTER b SET STATISTICS 33,
            ALTER b SET COMPRESSION pglz, ALTER a SET (n_distinct = 5);
        """,
    ),
    "the columns of a materialized view that is made": (
        "",
        """
        CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS a, 'x'::text AS b;
        ALTER MATERIALIZED VIEW app.m ALTER b SET STORAGE external, ALTER b SET COMPRESSION pglz;
        """,
    ),
    "a comment on the index of a constraint": (
        "CREATE TABLE app.t (a integer PRIMARY KEY, b integer);",
        """
        CREATE TABLE app.t (a integer PRIMARY KEY, b integer CONSTRAINT t_b UNIQUE);
        COMMENT ON INDEX app.t_pkey IS 'the key''s';
        COMMENT ON INDEX app.t_b IS 'the other''s';
        COMMENT ON CONSTRAINT t_b ON app.t IS 'not the index';
        """,
    ),
    "logged and unlogged tables that refer to each other": (
        """
        CREATE UNLOGGED TABLE app.z (a integer PRIMARY KEY, up integer REFERENCES app.z);
        CREATE UNLOGGED TABLE app.a (b integer REFERENCES app.z);
        CREATE UNLOGGED TABLE app.b (c integer REFERENCES app.z);
        """,
        """
        CREATE TABLE app.z (a integer PRIMARY KEY, up integer REFERENCES app.z);
        CREATE TABLE app.a (b integer REFERENCES app.z);
        CREATE TABLE app.b (c integer REFERENCES app.z);
        """,
    ),
    "a replica identity that is no index any more": (
        "CREATE TABLE app.t (a integer PRIMARY KEY); ALTER TABLE app.t REPLICA IDENTITY USING INDEX t_pkey;",
        "CREATE TABLE app.t (a integer PRIMARY KEY); ALTER TABLE app.t REPLICA IDENTITY FULL;",
    ),
    "a cast that a column's expression uses": (
        "CREATE TYPE app.e AS ENUM ('a'); CREATE TABLE app.t (a integer);",
        """
        CREATE TYPE app.e AS ENUM ('a');
        CREATE FUNCTION app.to_e(integer) RETURNS app.e LANGUAGE sql IMMUTABLE AS $$ SELECT 'a'::app.e $$;
        CREATE CAST (integer AS app.e) WITH FUNCTION app.to_e(integer);
        CREATE TABLE app.t (a integer, b app.e GENERATED ALWAYS AS (a::app.e) STORED);
        """,
    ),
    "privileges on ordered-set and hypothetical-set aggregates": (
        "",
        """
        CREATE AGGREGATE app.middle (float8 ORDER BY anyelement)
            (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
        CREATE AGGREGATE app.place (VARIADIC "any" ORDER BY VARIADIC "any")
            (SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA,
            HYPOTHETICAL);
        GRANT EXECUTE ON FUNCTION app.middle (float8, anyelement) TO attribute_guest;
        REVOKE EXECUTE ON FUNCTION app.place (VARIADIC "any") FROM PUBLIC;
        """,
    ),
}

CASES_18: dict[str, tuple[str, str, int]] = {
    "the type of a column with NOT NULL constraints that children declare by other names": (
        """
        CREATE TABLE app.p (a integer CONSTRAINT one NOT NULL, b integer NOT NULL);
        CREATE TABLE app.c (a integer CONSTRAINT two NOT NULL) INHERITS (app.p);
        CREATE TABLE app.g (a integer CONSTRAINT three NOT NULL, b integer NOT NULL) INHERITS (app.c);
        COMMENT ON CONSTRAINT one ON app.p IS 'about';
        """,
        """
        CREATE TABLE app.p (a bigint CONSTRAINT one NOT NULL, b bigint);
        CREATE TABLE app.c (a bigint CONSTRAINT two NOT NULL) INHERITS (app.p);
        CREATE TABLE app.g (a bigint CONSTRAINT three NOT NULL, b bigint NOT NULL) INHERITS (app.c);
        COMMENT ON CONSTRAINT one ON app.p IS 'about';
        """,
        9,
    ),
    "the name of a NOT NULL constraint above ones with other names": (
        """
        CREATE TABLE app.p (a integer CONSTRAINT one NOT NULL);
        CREATE TABLE app.c (a integer CONSTRAINT two NOT NULL) INHERITS (app.p);
        COMMENT ON CONSTRAINT one ON app.p IS 'about';
        """,
        """
        CREATE TABLE app.p (a integer CONSTRAINT three NOT NULL);
        CREATE TABLE app.c (a integer CONSTRAINT two NOT NULL) INHERITS (app.p);
        COMMENT ON CONSTRAINT three ON app.p IS 'about';
        """,
        3,
    ),
    "names of NOT NULL": (
        "CREATE TABLE app.t (a integer NOT NULL, b integer CONSTRAINT held NOT NULL, c integer, d integer NOT NULL);",
        """
        CREATE TABLE app.t (a integer CONSTRAINT "must ""%s" NOT NULL, b integer NOT NULL,
            c integer CONSTRAINT must_c NOT NULL, d integer);
        COMMENT ON CONSTRAINT "must ""%s" ON app.t IS 'why';
        COMMENT ON CONSTRAINT t_b_not_null ON app.t IS 'usual';
        """,
        6,
    ),
    "NOT NULL that is not validated": (
        "CREATE TABLE app.t (a integer, b integer, c integer); ALTER TABLE app.t ADD CONSTRAINT n NOT NULL a NOT VALID;",
        """
        CREATE TABLE app.t (a integer CONSTRAINT n NOT NULL, b integer, c integer);
        ALTER TABLE app.t ADD NOT NULL b NOT VALID;
        ALTER TABLE app.t ADD CONSTRAINT q NOT NULL c NOT VALID;
        COMMENT ON CONSTRAINT q ON app.t IS 'later';
        """,
        4,
    ),
    "NOT NULL that children do not have": (
        "CREATE TABLE app.t (a integer NOT NULL NO INHERIT, b integer NOT NULL);",
        "CREATE TABLE app.t (a integer NOT NULL, b integer CONSTRAINT mine NOT NULL NO INHERIT, c integer);",
        4,
    ),
    "NOT NULL of a table that was a child": (
        "CREATE TABLE app.p (a integer CONSTRAINT up NOT NULL); CREATE TABLE app.c (a integer) INHERITS (app.p);",
        "CREATE TABLE app.p (a integer CONSTRAINT up NOT NULL); CREATE TABLE app.c (a integer NOT NULL);",
        2,
    ),
    "NOT NULL of a partition": (
        """
        CREATE TABLE app.p (a integer CONSTRAINT up NOT NULL) PARTITION BY LIST (a);
        CREATE TABLE app.c PARTITION OF app.p FOR VALUES IN (1);
        """,
        """
        CREATE TABLE app.p (a integer CONSTRAINT up NOT NULL) PARTITION BY LIST (a);
        CREATE TABLE app.c (a integer CONSTRAINT own NOT NULL);
        """,
        2,
    ),
    "NOT NULL that is validated no more, with a child's": (
        "CREATE TABLE app.p (a integer CONSTRAINT x NOT NULL); CREATE TABLE app.c () INHERITS (app.p);",
        """
        CREATE TABLE app.p (a integer); CREATE TABLE app.c () INHERITS (app.p);
        ALTER TABLE app.p ADD CONSTRAINT x NOT NULL a NOT VALID;
        """,
        2,
    ),
    "names of NOT NULL that change places": (
        """
        CREATE TABLE app.t (a integer CONSTRAINT x NOT NULL, b integer CONSTRAINT y NOT NULL, c integer NOT NULL,
            d integer CONSTRAINT free NOT NULL);
        """,
        """
        CREATE TABLE app.t (a integer CONSTRAINT y NOT NULL, b integer CONSTRAINT t_c_not_null NOT NULL,
            c integer CONSTRAINT x NOT NULL, d integer CONSTRAINT t_b_not_null NOT NULL);
        """,
        5,
    ),
    "the NOT NULL of a domain": (
        "CREATE DOMAIN app.d AS integer CONSTRAINT one NOT NULL; CREATE DOMAIN app.e AS integer;",
        """
        CREATE DOMAIN app.d AS integer NOT NULL;
        CREATE DOMAIN app.e AS integer CONSTRAINT "two ""%s" NOT NULL;
        """,
        2,
    ),
    "a virtual column under a check": (
        "CREATE TABLE app.t (a integer, b integer GENERATED ALWAYS AS (a * 3) VIRTUAL CHECK (b > 0));",
        "CREATE TABLE app.t (a integer, b integer GENERATED ALWAYS AS (a * 4) VIRTUAL CHECK (b > 0));",
        3,
    ),
}


@pytest.fixture(scope="module")
def _guest(server: EmbeddedServer) -> Iterator[None]:
    with guest(server.url, "attribute_guest"):
        yield


@pytest.mark.usefixtures("_guest")
@pytest.mark.parametrize("case", CASES)
def test_there_and_back(case: str, make_database: Callable[[], str]) -> None:
    plan, _ = there_and_back(*CASES[case], make_database)
    assert plan.statements


@pytest.mark.parametrize("case", CASES_18)
def test_there_and_back_since_18(case: str, make_database: Callable[[], str], server: EmbeddedServer) -> None:
    with psycopg.connect(server.url) as connection:
        if connection.info.server_version < 180000:
            pytest.skip("needs Postgres 18")
    before, after, statements = CASES_18[case]
    plan, _ = there_and_back(before, after, make_database)
    assert len(plan.statements) == statements


def test_a_sequence_in_use_goes_on_where_it_may(two_databases: tuple[str, str]) -> None:
    """It starts anew only where it stands outside its new bounds."""
    live, goal = two_databases
    make(live, "CREATE SEQUENCE app.low; CREATE SEQUENCE app.high; SELECT setval('app.high', 700)")
    make(goal, "CREATE SEQUENCE app.low MINVALUE 500; CREATE SEQUENCE app.high MINVALUE 500")
    move(live, goal)
    with psycopg.connect(live) as connection:
        found = connection.execute("SELECT nextval('app.low'), nextval('app.high')").fetchone()
    assert found == (500, 701)
