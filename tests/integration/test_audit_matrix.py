"""Whose a change is, of every kind of docs/kinds.md in every way in which a statement can be run; and of random changes."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, NamedTuple, cast

import psycopg
import pytest

from reconciler import HazardKind, Options, Reconciler
from reconciler.audit.attribution import attribute
from reconciler.audit.install import install, uninstall
from reconciler.catalog.snapshot_reader import managed_schemas, read_snapshot
from reconciler.db.connections import transaction
from reconciler.diff.diff import Difference
from reconciler.model.audit import AttributionKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model.audit import Attribution
    from reconciler.model.facts import FactId

ROLES = ("audit_ann", "audit_bob", "audit_cid", "audit_dan", "audit_eve")
# Whose rights a statement is run with, where it is not with one's own.
OTHER = "audit_oda"
# Whom owners and privileges are given to.
NEW_OWNER = "audit_pat"
KINDS = re.findall(
    r"^\| (\w+) \| (?:yes|no)", (Path(__file__).parents[2] / "docs" / "kinds.md").read_text(), re.MULTILINE
)


class Change(NamedTuple):
    """A statement, what must be there before, and the text by which the name of the fact that it makes is known.

    Not proven is what fires no event trigger, or leaves rows whose versions are not for the log to read (docs/audit.md).
    """

    token: str
    statement: str
    setup: str = ""
    is_proven: bool = True
    since: int = 0


# An N behind a name is a number that no other change has.
CHANGES = {
    "schema": Change("sN", "CREATE SCHEMA sN"),
    "table": Change("tN", "CREATE TABLE app.tN (a integer)"),
    "foreign_table": Change("ftN", "CREATE FOREIGN TABLE app.ftN (a integer) SERVER server0"),
    "column": Change("cN.b", "ALTER TABLE app.cN ADD b integer", "CREATE TABLE app.cN (a integer)"),
    "default": Change("dN.a", "ALTER TABLE app.dN ALTER a SET DEFAULT 1", "CREATE TABLE app.dN (a integer)"),
    "constraint": Change("kN", "ALTER TABLE app.kN ADD CONSTRAINT c CHECK (a > 0)", "CREATE TABLE app.kN (a integer)"),
    "index": Change("iN", "CREATE INDEX iN ON app.xN (a)", "CREATE TABLE app.xN (a integer)"),
    "inheritance": Change(
        "hN", "ALTER TABLE app.hN INHERIT app.hpN", "CREATE TABLE app.hpN (a integer); CREATE TABLE app.hN (a integer)"
    ),
    "sequence": Change("qN", "CREATE SEQUENCE app.qN"),
    "owned_by": Change(
        "oqN", "ALTER SEQUENCE app.oqN OWNED BY app.oN.a", "CREATE TABLE app.oN (a integer); CREATE SEQUENCE app.oqN"
    ),
    "view": Change("vN", "CREATE VIEW app.vN AS SELECT 1 AS one"),
    "materialized_view": Change("mvN", "CREATE MATERIALIZED VIEW app.mvN AS SELECT 1 AS one"),
    "function": Change("fN", "CREATE FUNCTION app.fN() RETURNS integer LANGUAGE sql AS 'SELECT 1'"),
    "procedure": Change("prN", "CREATE PROCEDURE app.prN() LANGUAGE sql AS 'SELECT 1'"),
    "aggregate": Change("agN", "CREATE AGGREGATE app.agN(integer) (SFUNC = int4pl, STYPE = integer)"),
    "trigger": Change(
        "trN",
        "CREATE TRIGGER tg AFTER INSERT ON app.trN FOR EACH ROW EXECUTE FUNCTION app.fires()",
        "CREATE TABLE app.trN (a integer)",
    ),
    "partition_trigger": Change(
        "ppN",
        "ALTER TABLE app.ppN DISABLE TRIGGER tg",
        "CREATE TABLE app.ptN (a integer) PARTITION BY LIST (a); CREATE TABLE app.ppN PARTITION OF app.ptN DEFAULT;"
        " CREATE TRIGGER tg AFTER INSERT ON app.ptN FOR EACH ROW EXECUTE FUNCTION app.fires()",
        since=150000,  # on 14 a partition's part is an internal trigger, and not read
    ),
    "rule": Change("ruN", "CREATE RULE r AS ON INSERT TO app.ruN DO NOTHING", "CREATE TABLE app.ruN (a integer)"),
    "policy": Change("poN", "CREATE POLICY p ON app.poN", "CREATE TABLE app.poN (a integer)"),
    "enum": Change("eN", "CREATE TYPE app.eN AS ENUM ('a')"),
    "domain": Change("dmN", "CREATE DOMAIN app.dmN AS integer"),
    "domain_constraint": Change(
        "dcN", "ALTER DOMAIN app.dcN ADD CONSTRAINT c CHECK (VALUE > 0)", "CREATE DOMAIN app.dcN AS integer"
    ),
    "composite_type": Change("ctN", "CREATE TYPE app.ctN AS (a integer)"),
    "range_type": Change("rtN", "CREATE TYPE app.rtN AS RANGE (SUBTYPE = integer)"),
    "base_type": Change(
        "btN",
        "CREATE TYPE app.btN (INPUT = app.btN_in, OUTPUT = app.btN_out, INTERNALLENGTH = 4, PASSEDBYVALUE)",
        "CREATE TYPE app.btN;"
        " CREATE FUNCTION app.btN_in(cstring) RETURNS app.btN LANGUAGE internal IMMUTABLE STRICT AS 'int4in';"
        " CREATE FUNCTION app.btN_out(app.btN) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'",
    ),
    "collation": Change("coN", 'CREATE COLLATION app.coN FROM "C"'),
    "operator": Change(
        "osN", "CREATE OPERATOR osN.<#> (FUNCTION = int4pl, LEFTARG = integer, RIGHTARG = integer)", "CREATE SCHEMA osN"
    ),
    "operator_class": Change(
        "ocN",
        "CREATE OPERATOR CLASS app.ocN FOR TYPE integer USING btree"
        " AS OPERATOR 1 <, FUNCTION 1 btint4cmp(integer, integer)",
    ),
    "operator_family": Change("ofN", "CREATE OPERATOR FAMILY app.ofN USING btree"),
    "conversion": Change("cvN", "CREATE CONVERSION app.cvN FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8"),
    "text_search_configuration": Change(
        "tcN", 'CREATE TEXT SEARCH CONFIGURATION app.tcN (PARSER = pg_catalog."default")'
    ),
    "text_search_dictionary": Change("tdN", "CREATE TEXT SEARCH DICTIONARY app.tdN (TEMPLATE = simple)"),
    "text_search_parser": Change(
        "tpN",
        "CREATE TEXT SEARCH PARSER app.tpN"
        " (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)",
    ),
    "text_search_template": Change("ttN", "CREATE TEXT SEARCH TEMPLATE app.ttN (LEXIZE = dsimple_lexize)"),
    "statistics": Change(
        "stN", "CREATE STATISTICS app.stN ON a, b FROM app.sxN", "CREATE TABLE app.sxN (a text, b text)"
    ),
    "default_privileges": Change(
        "dpN",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {NEW_OWNER} IN SCHEMA dpN GRANT SELECT ON TABLES TO PUBLIC",
        "CREATE SCHEMA dpN",
    ),
    "access_method": Change("amN", "CREATE ACCESS METHOD amN TYPE TABLE HANDLER heap_tableam_handler"),
    "cast": Change(
        "ceN",
        "CREATE CAST (app.ceN AS integer) WITH FUNCTION app.cfN(app.ceN)",
        "CREATE TYPE app.ceN AS ENUM ('a');"
        " CREATE FUNCTION app.cfN(app.ceN) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT 1'",
    ),
    "database_setting": Change("matrix.dN", "ALTER DATABASE {database} SET matrix.dN = '1'", is_proven=False),
    "role_setting": Change(
        "matrix.rN", f"ALTER ROLE {NEW_OWNER} IN DATABASE {{database}} SET matrix.rN = '1'", is_proven=False
    ),
    "event_trigger": Change(
        "etN", "CREATE EVENT TRIGGER etN ON ddl_command_end EXECUTE FUNCTION app.fires_for_ddl()", is_proven=False
    ),
    "foreign_data_wrapper": Change("fwN", "CREATE FOREIGN DATA WRAPPER fwN"),
    "foreign_server": Change("fsN", "CREATE SERVER fsN FOREIGN DATA WRAPPER wrapper0"),
    "user_mapping": Change(
        "umN",
        "CREATE USER MAPPING FOR PUBLIC SERVER umN",
        "CREATE SERVER umN FOREIGN DATA WRAPPER wrapper0",
        is_proven=False,
    ),
    "language": Change("laN", "CREATE LANGUAGE laN HANDLER plpgsql_call_handler"),
    "publication": Change("puN", "CREATE PUBLICATION puN"),
    "publication_table": Change(
        "pbN", "ALTER PUBLICATION pbN ADD TABLE app.pbtN", "CREATE PUBLICATION pbN; CREATE TABLE app.pbtN (a integer)"
    ),
    "publication_schema": Change(
        "psN",
        "ALTER PUBLICATION psN ADD TABLES IN SCHEMA pssN",
        "CREATE PUBLICATION psN; CREATE SCHEMA pssN",
        since=150000,
    ),
    "subscription": Change(
        "suN",
        "CREATE SUBSCRIPTION suN CONNECTION 'dbname=nowhere' PUBLICATION p"
        " WITH (connect = false, slot_name = NONE, enabled = false, create_slot = false)",
        is_proven=False,
    ),
    "transform": Change(
        "tnN",
        "CREATE TRANSFORM FOR app.tnN LANGUAGE plpgsql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
        "CREATE TYPE app.tnN AS ENUM ('a')",
    ),
    "comment": Change("cmN", "COMMENT ON TABLE app.cmN IS 'said'", "CREATE TABLE app.cmN (a integer)"),
    "owner": Change("owN", f"ALTER TABLE app.owN OWNER TO {NEW_OWNER}", "CREATE TABLE app.owN (a integer)"),
    "privileges": Change("grN", f"GRANT SELECT ON app.grN TO {NEW_OWNER}", "CREATE TABLE app.grN (a integer)"),
}
# An extension is one of a database, so its changes cannot stand side by side; a label wants a provider to be loaded.
APART = {"extension", "security_label"}

_RUN = "CREATE FUNCTION ways.{} (statement text) RETURNS void LANGUAGE plpgsql {} AS 'BEGIN EXECUTE statement; END'"
# Each way to run a statement S, with who is the session's role and whose rights it has; None is who logged in.
WAYS: dict[str, tuple[tuple[str, ...], str | None, str | None]] = {
    "plain": (("S",), None, None),
    "multi-statement": (("SELECT 1; S; SELECT 2",), None, None),
    "savepoint": (
        ("BEGIN", "SAVEPOINT a", "S", "ROLLBACK TO a", "SAVEPOINT b", "S", "RELEASE b", "COMMIT"),
        None,
        None,
    ),
    "do": (("DO $way$ BEGIN EXECUTE $say$S$say$; END $way$",), None, None),
    "function": (("SELECT ways.run($say$S$say$)",), None, None),
    "security definer": (("SELECT ways.run_as_other($say$S$say$)",), None, OTHER),
    "set role": ((f"SET ROLE {OTHER}", "S", "RESET ROLE"), None, OTHER),
    "set session authorization": (
        (f"SET SESSION AUTHORIZATION {OTHER}", "S", "RESET SESSION AUTHORIZATION"),
        OTHER,
        OTHER,
    ),
}


def test_every_kind_is_changed_here() -> None:
    assert set(KINDS) == CHANGES.keys() | APART


def numbered(text: str, number: str) -> str:
    return re.sub(r"(?<=[a-z])N(?![A-Za-z])", number, text)


def run(connection: psycopg.Connection, text: str) -> None:
    connection.execute(cast("LiteralString", text))


@pytest.fixture
def live(database: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection; the roles are superusers, too, and each way has what it needs."""
    with psycopg.connect(database, autocommit=True) as connection:
        for role in (*ROLES, OTHER, NEW_OWNER):
            run(connection, f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'x'")
        run(connection, "CREATE SCHEMA app; CREATE SCHEMA ways")
        run(connection, _RUN.format("run", ""))
        run(connection, _RUN.format("run_as_other", "SECURITY DEFINER"))
        run(connection, f"ALTER FUNCTION ways.run_as_other OWNER TO {OTHER}")
        yield connection
        uninstall(connection)
        for (name,) in connection.execute(
            "SELECT subname FROM pg_subscription JOIN pg_database AS d ON d.oid = subdbid WHERE datname = current_database()"
        ).fetchall():
            run(connection, f"DROP SUBSCRIPTION {name}")
        for (name,) in connection.execute("SELECT evtname FROM pg_event_trigger").fetchall():
            run(connection, f"DROP EVENT TRIGGER {name}")
        for role in (*ROLES, OTHER, NEW_OWNER):
            run(connection, f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.mark.every_server
def test_each_kind_changed_in_each_way_is_whose_it_is(database: str, live: psycopg.Connection) -> None:
    version, name = live.info.server_version, live.info.dbname
    cases = [
        (f"{number:04d}", kind, way, ROLES[number % len(ROLES)])
        for number, (kind, way) in enumerate(
            (kind, way) for kind, change in CHANGES.items() if change.since <= version for way in WAYS
        )
    ]
    run(live, "CREATE FOREIGN DATA WRAPPER wrapper0; CREATE SERVER server0 FOREIGN DATA WRAPPER wrapper0")
    run(live, "CREATE FUNCTION app.fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    run(live, "CREATE FUNCTION app.fires_for_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
    for number, kind, way, role in cases:
        if CHANGES[kind].setup:
            # Only who made the shell of a type may make the type, superuser or not.
            run(live, f"SET ROLE {WAYS[way][2] or role}; {numbered(CHANGES[kind].setup, number)}; RESET ROLE")
    install(live)
    for role in ROLES:
        # An application's name is what the client says of itself: nothing follows from it.
        with psycopg.connect(
            database,
            user=role,
            password="x",
            autocommit=True,
            application_name="reconciler",
            options="-c client_min_messages=error",
        ) as connection:
            for number, kind, way, who in cases:
                if who == role:
                    text = numbered(CHANGES[kind].statement, number).format(database=name)
                    for each in WAYS[way][0]:
                        run(connection, re.sub(r"\bS\b", lambda _, text=text: text, each))
    found = attributions(live)
    wrong: dict[tuple[str, str], object] = {}
    for number, kind, way, role in cases:
        token = numbered(CHANGES[kind].token, number)
        theirs = [each for fact, each in found.items() if fact.kind == kind and token in ".".join(fact.name)]
        told = {each.kind if each.kind is not AttributionKind.BY else who_of(each) for each in theirs}
        _, session, effective = WAYS[way]
        expected: object = (role, session or role, effective or role)
        if told != {expected if CHANGES[kind].is_proven else AttributionKind.NOT_LOGGED}:
            wrong[kind, way] = told
    assert wrong == {}, "\n".join(f"{each}: {told}" for each, told in wrong.items())


def who_of(found: Attribution) -> tuple[str | None, ...]:
    return found.entries[-1].actor.who


def attributions(connection: psycopg.Connection) -> dict[FactId, Attribution]:
    """Of all that there is."""
    with transaction(connection):
        state = read_snapshot(connection, managed_schemas(connection))
        differences = [Difference(fact=fact, before=None, after=text) for fact, text in state.facts.items()]
        found, log = attribute(connection, differences, state, {})
    assert log.is_intact
    return dict(found)


class Random:
    """Changes of one table each by anybody, in any way, on a plugin's schema."""

    def __init__(self, url: str, tape: random.Random) -> None:
        self.tape = tape
        self.number = 0
        self.tables = [f"t{number}" for number in range(5)]
        self.sessions = {
            role: psycopg.connect(url, user=role, password="x", autocommit=True, application_name="reconciler")
            for role in ROLES
        }

    def close(self) -> None:
        for each in self.sessions.values():
            each.close()

    def statement(self) -> tuple[str, str]:
        """A statement, and the name of the fact that is added by it."""
        self.number += 1
        table, new = self.tape.choice(self.tables), f"n{self.number}"
        return self.tape.choice(
            [
                (f"ALTER TABLE app.{table} ADD {new} integer", f"column:app.{table}.{new}"),
                (f"CREATE INDEX {new} ON app.{table} (id)", f"index:app.{table}.{new}"),
                (
                    f"ALTER TABLE app.{table} ADD CONSTRAINT {new} CHECK (id > {self.number})",
                    f"constraint:app.{table}.{new}",
                ),
                (f"CREATE VIEW app.{new} AS SELECT id FROM app.{table}", f"view:app.{new}"),
                (f"CREATE TABLE app.{new} (id integer)", f"table:app.{new}"),
                (f"CREATE TYPE app.{new} AS ENUM ('a')", f"enum:app.{new}"),
                (f"CREATE SEQUENCE app.{new}", f"sequence:app.{new}"),
                (f"CREATE FUNCTION app.{new}() RETURNS integer LANGUAGE sql AS 'SELECT 1'", f"function:app.{new}()"),
            ]
        )

    def change(self) -> tuple[str, tuple[str, ...]]:
        """Makes one; gives the fact, and whose it is."""
        role, way = self.tape.choice(ROLES), self.tape.choice(sorted(WAYS))
        texts, session, effective = WAYS[way]
        statement, fact = self.statement()
        for each in texts:
            run(self.sessions[role], re.sub(r"\bS\b", lambda _: statement, each))
        return fact, (role, session or role, effective or role)


@pytest.mark.one_server
@pytest.mark.parametrize("changes", [60, pytest.param(10_000, marks=pytest.mark.long)], ids=["short", "long"])
def test_random_changes_with_runs_between_are_whose_they_are(
    database: str, live: psycopg.Connection, changes: int
) -> None:
    declared = "".join(f"CREATE TABLE t{number} (id integer);" for number in range(5))
    tape = random.Random(19)
    made = Random(database, tape)
    install(live)
    missed: list[str] = []
    wrong: list[tuple[str, object, object]] = []
    run(live, "DROP SCHEMA app")
    with Reconciler(database, options=Options(allow=frozenset(HazardKind), share=True)) as reconciler:
        reconciler.migrate(declared, plugin="app")
        while changes > 0:
            expected: dict[str, tuple[str, ...]] = {}
            for _ in range(min(changes, tape.randrange(1, 100))):
                fact, who = made.change()
                expected[fact] = who
                changes -= 1
            # What another plugin's run does in between is that run's.
            beside = f"beside{made.number}"
            reconciler.migrate(f"CREATE INDEX {beside} ON app.t0 (id);", plugin="billing")
            found = {fact.key: each for fact, each in reconciler.check(plugin="app").attributions.items()}
            for fact, who in expected.items():
                if fact not in found:
                    missed.append(fact)
                elif found[fact].kind is not AttributionKind.BY or who_of(found[fact]) != who:
                    wrong.append((fact, who, str(found[fact])))
            if (own := found.get(f"index:app.t0.{beside}")) is not None and own.kind is not AttributionKind.RUN:
                wrong.append((beside, "billing", str(own)))
            # All of it is taken away again: a run of ours on the same tables.
            reconciler.repair(declared, plugin="app")
    made.close()
    assert (missed, wrong) == ([], [])
