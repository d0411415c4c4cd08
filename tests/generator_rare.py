"""Parts of a generated schema that are rare: deep partitions, marks of constraints, base types, the database as a whole.

Each part stands for itself, so that a failure in one is small; each choice has a path of its own, as in generator.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from generator import Tape

__all__ = ["IN_DATABASE", "IN_SCHEMAS", "Writer"]


class Writer(Protocol):
    """The schema in the making: its choices, the server's major version, and where statements and rows go."""

    tape: Tape
    version: int

    def say(self, text: str) -> None:
        """One more statement."""

    def fill(self, table: str, columns: dict[str, str], rows: str, *, keyed: bool = False) -> None:
        """A table of `app` that has rows: its columns with their types, and the statement that makes the rows."""

    def attach(
        self, phrase: str, path: str, *, owner: str = "", grant: str = "", privileges: Sequence[str] = ()
    ) -> None:
        """A comment, an owner and privileges, each of them or not."""


# By what a table is partitioned, and the bounds of its two parts that hold the rows and of one more: in some ways, so
# that rows change places.
_BOUNDS = {
    "LIST (k)": (
        ("FOR VALUES IN (1)", "FOR VALUES IN (2, 3)", "DEFAULT"),
        ("FOR VALUES IN (2)", "FOR VALUES IN (1, 3)", "DEFAULT"),
        ("FOR VALUES IN (1)", "DEFAULT", "FOR VALUES IN (2)"),
    ),
    "RANGE (k)": (
        ("FOR VALUES FROM (0) TO (2)", "FOR VALUES FROM (2) TO (9)", "DEFAULT"),
        ("FOR VALUES FROM (0) TO (3)", "FOR VALUES FROM (3) TO (9)", "DEFAULT"),
        ("FOR VALUES FROM (2) TO (MAXVALUE)", "DEFAULT", "FOR VALUES FROM (0) TO (2)"),
    ),
    "HASH (k)": tuple(
        tuple(f"FOR VALUES WITH (MODULUS 3, REMAINDER {(number + shift) % 3})" for number in range(3))
        for shift in range(3)
    ),
}


def deep_partitions(to: Writer) -> None:
    """Partitions of partitions, parts with something of their own, keys onto and from the whole."""
    tape = to.tape
    if not tape.has("deep", 0.5):
        return
    by = tape.pick("deep.by", ("LIST (k)", "LIST (k)", "RANGE (k)", "HASH (k)"))
    columns = ["id integer", "k integer", f"note {tape.pick('deep.note', ('text', 'varchar(20)'))}"]
    if tape.has("deep.default", 0.4):
        columns[2] += f" DEFAULT {tape.pick('deep.value', (1, 2))}"
    if tape.has("deep.required", 0.4):
        columns[1] += " NOT NULL"
    keyed = tape.has("deep.key", 0.6)
    if keyed:
        columns.append(f"CONSTRAINT deep_key {tape.pick('deep.key.kind', ('PRIMARY KEY', 'UNIQUE'))} (id, k)")
    if tape.has("deep.check", 0.4):
        columns.append(f"CONSTRAINT deep_check CHECK (id > {tape.pick('deep.low', (0, -1))})")
    to.say(f"CREATE TABLE app.deep ({', '.join(columns)}) PARTITION BY {by}")
    bounds = tape.pick("deep.bounds", _BOUNDS[by])
    for number, bound in enumerate(bounds):
        _part(to, number, bound, always=number < 2 or bound != "DEFAULT")
    if tape.has("deep.index", 0.5):
        key = tape.pick("deep.index.key", ("note", "k", "id, note", "lower(note)"))
        to.say(f"CREATE INDEX deep_i ON app.deep ({key})")
        to.attach("INDEX app.deep_i", "deep.i")
    if tape.has("deep.trigger", 0.4):
        when = tape.pick("deep.trigger.when", ("AFTER INSERT", "BEFORE UPDATE", "AFTER DELETE"))
        to.say(f"CREATE TRIGGER tr {when} ON app.deep FOR EACH ROW EXECUTE FUNCTION app.tf()")
        if tape.has("deep.trigger.off", 0.3):
            to.say(f"ALTER TABLE app.deep_{tape.pick('deep.trigger.part', (0, 1))} DISABLE TRIGGER tr")
    if tape.has("deep.refers", 0.4):
        to.say("CREATE TABLE app.deep_to (id integer PRIMARY KEY)")
        action = tape.pick("deep.refers.action", ("", " ON DELETE CASCADE", " DEFERRABLE"))
        to.say(f"ALTER TABLE app.deep ADD CONSTRAINT deep_ref FOREIGN KEY (id) REFERENCES app.deep_to{action}")
        to.fill("deep_to", {"id": "integer"}, "INSERT INTO app.deep_to (id) VALUES (1), (2);", keyed=True)
    to.fill("deep", {"id": "integer", "k": "integer"}, "INSERT INTO app.deep (id, k) VALUES (1, 1), (2, 2);")
    if keyed and tape.has("deep.referred", 0.4):
        action = tape.pick("deep.referred.action", ("", " ON UPDATE CASCADE"))
        to.say(
            "CREATE TABLE app.deep_from (id integer, k integer,"
            f" CONSTRAINT deep_from_key FOREIGN KEY (id, k) REFERENCES app.deep (id, k){action})"
        )
        to.fill("deep_from", {"id": "integer", "k": "integer"}, "INSERT INTO app.deep_from (id, k) VALUES (1, 1);")
    to.attach("TABLE app.deep", "deep", owner="TABLE app.deep", privileges=("SELECT", "INSERT"))


def _part(to: Writer, number: int, bound: str, *, always: bool) -> None:
    tape, path, name = to.tape, f"deep.{number}", f"app.deep_{number}"
    if not always and not tape.has(path, 0.4):
        return
    below = tape.has(f"{path}.below", 0.25)
    to.say(
        f"CREATE TABLE {name} PARTITION OF app.deep {bound}{' PARTITION BY RANGE (id)' if below else ''}"
        f"{' WITH (fillfactor = 70)' if not below and tape.has(f'{path}.options', 0.2) else ''}"
    )
    if below:
        to.say(f"CREATE TABLE {name}_low PARTITION OF {name} FOR VALUES FROM (0) TO (100)")
        if tape.has(f"{path}.rest", 0.4):
            to.say(f"CREATE TABLE {name}_rest PARTITION OF {name} DEFAULT")
        if tape.has(f"{path}.below.index", 0.3):
            to.say(f"CREATE INDEX deep_{number}_below ON {name} (note)")
    if tape.has(f"{path}.default", 0.3):
        to.say(f"ALTER TABLE {name} ALTER COLUMN note SET DEFAULT {tape.pick(f'{path}.value', (3, 4))}")
    if tape.has(f"{path}.check", 0.3):
        to.say(f"ALTER TABLE {name} ADD CONSTRAINT deep_{number}_check CHECK (k > {tape.pick(f'{path}.low', (0, -1))})")
    if tape.has(f"{path}.required", 0.2):
        to.say(f"ALTER TABLE {name} ALTER COLUMN id SET NOT NULL")
    if tape.has(f"{path}.index", 0.3):
        to.say(f"CREATE INDEX deep_{number}_own ON {name} ({tape.pick(f'{path}.key', ('id', 'note', 'k'))})")
    to.attach(f"TABLE {name}", path, owner=f"TABLE {name}", privileges=("SELECT",))


def marked_constraints(to: Writer) -> None:
    """Constraints that children do not get, that were not checked, that go by time; NOT NULL with marks."""
    tape = to.tape
    if not tape.has("marked", 0.4):
        return
    columns = ["id integer", "a integer", "r int4range", "s int4range"]
    inherit = tape.pick("marked.inherit", ("", " NO INHERIT"))
    columns.append(f"CONSTRAINT marked_check CHECK (a > {tape.pick('marked.low', (0, -1))}){inherit}")
    if to.version >= 18:
        columns.append(f"CONSTRAINT marked_a NOT NULL a{tape.pick('marked.null', ('', ' NO INHERIT'))}")
        if tape.has("marked.period", 0.4):
            columns.append("CONSTRAINT marked_key UNIQUE (r, s WITHOUT OVERLAPS)")
    to.say(f"CREATE TABLE app.marked ({', '.join(columns)})")
    to.fill(
        "marked",
        {"id": "integer", "a": "integer"},
        "INSERT INTO app.marked (id, a, r) VALUES (1, 1, '[1,2)'), (2, 2, '[2,3)');",
    )
    child = tape.has("marked.child", 0.5)
    if child:
        to.say(
            f"CREATE TABLE app.marked_child (own integer{tape.pick('marked.own', ('', ' NOT NULL'))}) INHERITS (app.marked)"
        )
    if to.version >= 18 and tape.has("marked.unchecked", 0.4):
        # A new child's would be valid at once, though a declaration may say otherwise.
        valid = "" if child else tape.pick("marked.valid", ("", " NOT VALID"))
        to.say(f"ALTER TABLE app.marked ADD CONSTRAINT marked_id NOT NULL id{valid}")
        if tape.has("marked.comment", 0.4):
            to.say(f"COMMENT ON CONSTRAINT marked_id ON app.marked IS '{tape.pick('marked.said', ('x', 'y'))}'")


def between_schemas(to: Writer) -> None:
    """What is in one of two schemas, and what needs it from the other."""
    tape = to.tape
    if not tape.has("between", 0.4):
        return
    home = tape.pick("between.home", ("app", "other"))
    to.say(f"CREATE TYPE {home}.pair AS (a integer, b text)")
    to.say(f"CREATE FUNCTION {home}.twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2'")
    to.say(f"CREATE TABLE {home}.needed (id integer PRIMARY KEY, p {home}.pair, s serial)")
    place = tape.pick("between.place", ("other", "app"))
    default = tape.pick("between.default", ("", f" DEFAULT {home}.twice(2)"))
    to.say(f"CREATE TABLE {place}.near (id integer{default} REFERENCES {home}.needed, p {home}.pair[])")
    if tape.has("between.view", 0.6):
        what = tape.pick("between.what", ("f.id", "f.id, (f.p).a", "f.id, f AS whole"))
        to.say(f"CREATE VIEW other.seen AS SELECT {what} FROM {home}.needed f")
    if tape.has("between.index", 0.4):
        to.say(f"CREATE INDEX near_i ON {place}.near ({home}.twice(id))")
    if tape.has("between.recursive", 0.4):
        to.say(
            f"CREATE RECURSIVE VIEW {place}.steps (n) AS SELECT {tape.pick('between.from', (1, 2))}"
            " UNION ALL SELECT n + 1 FROM steps WHERE n < 5"
        )


def base_types(to: Writer) -> None:
    """A base type with its functions, a column of it, a parser and a template of text search."""
    tape = to.tape
    if tape.has("base", 0.3):
        to.say("CREATE TYPE app.mood")
        to.say("CREATE FUNCTION app.mood_in(cstring) RETURNS app.mood LANGUAGE internal IMMUTABLE STRICT AS 'textin'")
        to.say("CREATE FUNCTION app.mood_out(app.mood) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'")
        options = tape.pick("base.options", ("", ", STORAGE = extended", ", CATEGORY = 'S'"))
        to.say(f"CREATE TYPE app.mood (INPUT = app.mood_in, OUTPUT = app.mood_out{options})")
        to.attach("TYPE app.mood", "base", owner="TYPE app.mood", privileges=("USAGE",))
        if tape.has("base.table", 0.6):
            to.say(f"CREATE TABLE app.moody (id integer, m app.mood{tape.pick('base.array', ('', '[]'))})")
            to.fill("moody", {"id": "integer"}, "INSERT INTO app.moody (id) VALUES (1);")
    if tape.has("parser", 0.2):
        more = tape.pick("parser.more", ("", ", HEADLINE = prsd_headline"))
        to.say(
            "CREATE TEXT SEARCH PARSER app.parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,"
            f" LEXTYPES = prsd_lextype{more})"
        )
        to.say("CREATE TEXT SEARCH CONFIGURATION app.parsed (PARSER = app.parser)")
    if tape.has("template", 0.2):
        start = tape.pick("template.init", ("", "INIT = dsimple_init, "))
        to.say(f"CREATE TEXT SEARCH TEMPLATE app.template ({start}LEXIZE = dsimple_lexize)")
        to.say("CREATE TEXT SEARCH DICTIONARY app.made (TEMPLATE = app.template)")


def types_over_types(to: Writer) -> None:
    """Domains over domains and records, ranges with a function and several ranges, and what uses them."""
    tape = to.tape
    if not tape.has("over", 0.4):
        return
    to.say(f"CREATE DOMAIN app.o0 AS {tape.pick('over.base', ('integer', 'bigint'))} CHECK (VALUE < 1000)")
    check = tape.pick("over.check", ("", " CONSTRAINT o1_low CHECK (VALUE > 0)", " DEFAULT 7"))
    to.say(f"CREATE DOMAIN app.o1 AS app.o0{check}")
    to.say(f"CREATE TYPE app.o2 AS (a {tape.pick('over.attribute', ('app.o1', 'app.o0', 'integer'))}, b text)")
    to.say(f"CREATE DOMAIN app.o3 AS app.o2{tape.pick('over.record', ('', ' CHECK ((VALUE).b IS NOT NULL)'))}")
    to.say(
        f"CREATE TYPE app.o4 AS RANGE (SUBTYPE = {tape.pick('over.subtype', ('integer', 'bigint'))},"
        f" MULTIRANGE_TYPE_NAME = app.{tape.pick('over.many', ('o4s', 'o4_many'))})"
    )
    columns = ["a app.o1", "b app.o3", "c app.o4", "d app.o1[]", "e app.o2"]
    chosen = tape.some("over.columns", columns, 0.6)
    to.say(f"CREATE TABLE app.over_all ({', '.join(['id integer', *chosen])})")
    values = {"a": "5", "b": "ROW(5, 'x')", "c": "'[1,5)'", "d": "'{5}'", "e": "ROW(5, 'y')"}
    names = [column[0] for column in chosen]
    to.fill(
        "over_all",
        {"id": "integer"},
        f"INSERT INTO app.over_all ({', '.join(['id', *names])})"
        f" VALUES ({', '.join(['1', *(values[each] for each in names)])});",
    )
    if tape.has("over.view", 0.4):
        to.say("CREATE VIEW app.over_seen AS SELECT 5::app.o1 AS a, t AS whole FROM app.over_all t")
    if tape.has("over.function", 0.4):
        to.say("CREATE FUNCTION app.over_f(app.o3, app.o4) RETURNS app.o1 LANGUAGE sql AS 'SELECT 1'")


def event_triggers(to: Writer) -> None:
    """Event triggers that do nothing, whatever happens."""
    tape = to.tape
    if not tape.has("event", 0.3):
        return
    to.say("CREATE FUNCTION app.seen() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$")
    event = tape.pick("event.event", ("ddl_command_start", "ddl_command_end", "sql_drop", "table_rewrite"))
    tags = {"table_rewrite": "'ALTER TABLE'", "sql_drop": "'DROP TABLE', 'DROP VIEW'"}.get(event, "'CREATE TABLE'")
    when = f" WHEN TAG IN ({tags})" if tape.has("event.tags", 0.5) else ""
    to.say(f"CREATE EVENT TRIGGER soak_event ON {event}{when} EXECUTE FUNCTION app.seen()")
    state = tape.pick("event.state", ("", "", "DISABLE", "ENABLE REPLICA", "ENABLE ALWAYS"))
    if state:
        to.say(f"ALTER EVENT TRIGGER soak_event {state}")
    to.attach("EVENT TRIGGER soak_event", "event", owner="EVENT TRIGGER soak_event")


def publications(to: Writer) -> None:
    """Publications with columns and filters, and of whole schemas."""
    tape = to.tape
    if not tape.has("published", 0.4):
        return
    to.say(
        f"CREATE TABLE app.pub (id integer PRIMARY KEY, a {tape.pick('published.a', ('integer', 'bigint'))}, b text)"
    )
    columns = where = ""
    if to.version >= 15:
        columns = tape.pick("published.columns", ("", " (id)", " (id, a)", " (id, b)"))
        where = tape.pick("published.where", ("", " WHERE (id > 5)", " WHERE (a > 5)", " WHERE (b IS NOT NULL)"))
    operations = tape.pick("published.operations", ("insert", "insert, truncate"))
    to.say(f"CREATE PUBLICATION soak_rows FOR TABLE app.pub{columns}{where} WITH (publish = '{operations}')")
    to.attach("PUBLICATION soak_rows", "published", owner="PUBLICATION soak_rows")
    if to.version >= 15 and tape.has("published.schema", 0.5):
        to.say(f"CREATE PUBLICATION soak_schema FOR TABLES IN SCHEMA {tape.pick('published.which', ('app', 'other'))}")
    if tape.has("published.all", 0.3):
        to.say("CREATE PUBLICATION soak_all FOR ALL TABLES WITH (publish = 'truncate')")


def settings(to: Writer) -> None:
    """Settings of the database, and of a role in it."""
    tape = to.tape
    for path, whose, options in (
        (
            "setting.database",
            "DATABASE %1$I",
            ("work_mem = ''8MB''", "work_mem = ''9MB''", "search_path = ''it''''s'', app"),
        ),
        ("setting.reader", "ROLE soak_reader IN DATABASE %1$I", ("statement_timeout = ''5s''", "\"soak.x\" = ''a''")),
    ):
        if tape.has(path, 0.25):
            setting = tape.pick(f"{path}.what", options)
            to.say(f"DO $$ BEGIN EXECUTE format('ALTER {whose} SET {setting}', current_database()); END $$")


def transforms(to: Writer) -> None:
    """A transform, a language and an access method, with what uses them."""
    tape = to.tape
    if tape.has("transform", 0.2):
        more = tape.pick("transform.more", ("", ", TO SQL WITH FUNCTION int4recv(internal)"))
        to.say(f"CREATE TRANSFORM FOR integer LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal){more})")
        if tape.has("transform.used", 0.4):
            to.say(
                "CREATE FUNCTION app.transformed(integer) RETURNS integer TRANSFORM FOR TYPE integer LANGUAGE sql"
                " AS 'SELECT 1'"
            )
    if tape.has("method", 0.2):
        to.say("CREATE ACCESS METHOD soak_heap TYPE TABLE HANDLER heap_tableam_handler")
        using = tape.pick("method.used", ("", " USING soak_heap"))
        to.say(f"CREATE TABLE app.stored (id integer, a text){using}")
        to.fill("stored", {"id": "integer"}, "INSERT INTO app.stored (id) VALUES (1), (2);")
        if tape.has("method.view", 0.4):
            to.say(f"CREATE MATERIALIZED VIEW app.stored_seen{using} AS SELECT id FROM app.stored")
    if tape.has("language", 0.2):
        trusted = tape.pick("language.trusted", ("", "TRUSTED "))
        to.say(
            f"CREATE {trusted}LANGUAGE soak_language HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler"
            " VALIDATOR plpgsql_validator"
        )
        to.say("CREATE FUNCTION app.said() RETURNS integer LANGUAGE soak_language AS $$ BEGIN RETURN 1; END $$")


IN_SCHEMAS: tuple[Callable[[Writer], None], ...] = (
    deep_partitions, marked_constraints, between_schemas, base_types, types_over_types,
)  # fmt: skip
IN_DATABASE: tuple[Callable[[Writer], None], ...] = (event_triggers, publications, settings, transforms)
