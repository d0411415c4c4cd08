"""Random schemas over many kinds of objects, and random changes of them, as SQL; the same for the same seed.

A schema is a function of its choices, and each choice has a path ("t1.c2.type") and depends on the seed and the path
alone. A changed schema is the same function with some choices drawn anew, so whatever comes of it is consistent. The
paths that were drawn anew can be taken back one by one, which is how a failure is made small.

Columns stay in a family of types between which every value of `rows` can be converted. Whatever needs a value has one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from generator_rare import IN_DATABASE, IN_SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Sequence

Option = TypeVar("Option")

FAMILIES: dict[str, tuple[tuple[str, str], ...]] = {
    # type, a literal for row number {n}
    "number": (
        ("integer", "{n}"), ("bigint", "{n}"), ("smallint", "{n}"), ("numeric(12,2)", "{n}"), ("numeric", "{n}"),
        ("text", "'{n}'"), ("character varying(30)", "'{n}'"), ("app.d1", "{n}"),
    ),
    "words": (("text", "'a{n}'"), ("character varying(40)", "'a{n}'"), ('text COLLATE "C"', "'a{n}'"), ("app.d0", "'a{n}'")),
    "time": (("date", "'2020-01-0{n}'"), ("timestamp", "'2020-01-0{n}'"), ("timestamptz", "'2020-01-0{n}'")),
    "json": (("json", "'{{}}'"), ("jsonb", "'{{}}'")),
    "enum": (("app.e0", "'m'"), ("text", "'m'")),
    "array": (("integer[]", "'{{1,{n}}}'"), ("bigint[]", "'{{1,{n}}}'"), ("text[]", "'{{1,{n}}}'")),
    "composite": (("app.c0", "jsonb_populate_record(null::app.c0, '{{\"a\":1}}')"),),
    "enums": (("app.e0[]", "'{{m}}'"),),
    "range": (("app.r0", "'[1,2]'"), ("text", "'[1,2]'")),
}  # fmt: skip
DEFAULTS = {
    "number": ("5", "6", "app.f0(1)::integer", "nextval('app.q0')"),
    "words": ("'x'", "'it''s'", "app.f1('y', 1)"),
    "time": ("'2021-02-03'", "now()"),
    "json": ("'{}'", "'[1]'"),
    "enum": ("'m'",),
    "array": ("'{}'", "'{7}'"),
    "composite": ("jsonb_populate_record(null::app.c0, '{\"a\":2}')",),
    "enums": ("'{}'",),
    "range": ("'empty'",),
}
TABLES = ("t0", "t1", "t2", "t3")
COLUMNS = 5


@dataclass(frozen=True)
class Tape:
    """All choices: those of `seed`, and of `change` for the paths that were drawn anew. `without` stay as they were."""

    seed: int
    change: int | None = None
    rate: float = 0.12
    without: frozenset[str] = frozenset()
    touched: set[str] = field(default_factory=set, compare=False)

    def pick(self, path: str, options: Sequence[Option], *, fixed: bool = False) -> Option:
        """One of the options; a fixed choice is never drawn anew."""
        chosen = random.Random(f"{self.seed}/{path}").choice(options)
        if self.change is None or fixed or path in self.without:
            return chosen
        anew = random.Random(f"{self.seed}/{self.change}/{path}")
        if anew.random() >= self.rate:
            return chosen
        other = anew.choice(options)
        if other != chosen:
            self.touched.add(path)
        return other

    def has(self, path: str, likely: float = 0.5) -> bool:
        """Whether something is there."""
        return self.pick(path, range(100)) < likely * 100

    def some(self, path: str, options: Sequence[Option], likely: float = 0.5) -> list[Option]:
        """Some of the options, in their order."""
        return [option for number, option in enumerate(options) if self.has(f"{path}.{number}", likely)]


@dataclass(frozen=True)
class Table:
    """A table as far as others need to know it: its columns and whether its id is a key."""

    name: str
    columns: dict[str, str]
    keyed: bool
    logged: bool = True


@dataclass(frozen=True)
class Generated:
    """The schema's SQL, and the SQL that fills its tables."""

    sql: str
    rows: str
    tables: tuple[Table, ...]


def generate(tape: Tape, version: int, *, wide: bool = True) -> Generated:
    """A schema; `version` is the server's major version; `wide`: with what belongs to the database as a whole."""
    return _Generator(tape, version).schema(wide=wide)


class _Generator:
    def __init__(self, tape: Tape, version: int) -> None:
        self.tape = tape
        self.version = version
        self.sql: list[str] = []
        self.rows: list[str] = []
        self.tables: list[Table] = []

    def say(self, text: str) -> None:
        self.sql.append(text + ";")

    def schema(self, *, wide: bool) -> Generated:
        self.say("CREATE SCHEMA app")
        self.say("CREATE SCHEMA other")
        self.types()
        self.routines()
        for name in TABLES:
            if self.tape.has(name, 0.8):
                self.table(name)
        self.partitions()
        self.inheritance()
        self.rarer()
        self.views()
        for part in IN_SCHEMAS:
            part(self)
        if wide:
            self.wide()
            for part in IN_DATABASE:
                part(self)
        return Generated(sql="\n".join(self.sql), rows="\n".join(self.rows), tables=tuple(self.tables))

    def fill(self, table: str, columns: dict[str, str], rows: str, *, keyed: bool = False) -> None:
        """A table of `app` that has rows: its columns with their types, and the statement that makes the rows."""
        self.tables.append(Table(table, columns, keyed))
        self.rows.append(rows)

    def attach(
        self, phrase: str, path: str, *, owner: str = "", grant: str = "", privileges: Sequence[str] = ()
    ) -> None:
        """A comment, an owner and privileges, each of them or not."""
        tape = self.tape
        if tape.has(f"{path}.comment", 0.2):
            text = tape.pick(f"{path}.text", ("about", "it''s", "a\nb %s {}"))
            self.say(f"COMMENT ON {phrase} IS '{text}'")
        if owner and tape.has(f"{path}.owner", 0.15):
            self.say(f"ALTER {owner} OWNER TO soak_owner")
        for role in ("soak_reader", "soak_writer", "PUBLIC"):
            granted = tape.some(f"{path}.grant.{role}", privileges, 0.1)
            if granted:
                option = " WITH GRANT OPTION" if role != "PUBLIC" and tape.has(f"{path}.option.{role}", 0.3) else ""
                self.say(f"GRANT {', '.join(granted)} ON {grant or phrase} TO {role}{option}")

    # --- types, routines -------------------------------------------------------------------------------------------

    def types(self) -> None:
        tape = self.tape
        labels = [*tape.some("e0.before", ("a", "b'c"), 0.5), "m", *tape.some("e0.after", ("x", "y", "z"), 0.5)]
        if tape.has("e0.turned", 0.2):
            labels.reverse()
        quoted = ", ".join("'" + label.replace("'", "''") + "'" for label in labels)
        self.say(f"CREATE TYPE app.e0 AS ENUM ({quoted})")
        self.attach("TYPE app.e0", "e0", owner="TYPE app.e0")
        for name, base, check in (
            ("d0", ("text", "varchar(50)"), "length(VALUE::text) < {}"),
            ("d1", ("integer", "bigint"), "VALUE < {}"),
        ):
            text = f"CREATE DOMAIN app.{name} AS {tape.pick(f'{name}.base', base)}"
            if tape.has(f"{name}.default", 0.3):
                text += f" DEFAULT {tape.pick(f'{name}.value', (1, 2))}"
            if tape.has(f"{name}.check", 0.5):
                text += f" CONSTRAINT {name}_low CHECK ({check.format(tape.pick(f'{name}.limit', (1000, 2000)))})"
            self.say(text)
            self.attach(f"DOMAIN app.{name}", name, owner=f"DOMAIN app.{name}")
        attributes = ["a integer", "b text", "c date", 'd text COLLATE "C"'][: tape.pick("c0.length", (1, 2, 3, 4))]
        self.say(f"CREATE TYPE app.c0 AS ({', '.join(attributes)})")
        self.say(f"CREATE TYPE app.r0 AS RANGE (SUBTYPE = {tape.pick('r0.subtype', ('float8', 'numeric'))})")
        for name in ("q0", "q1"):
            options = tape.some(
                f"{name}.options", ("INCREMENT BY 2", "START WITH 7", "MAXVALUE 10000", "CACHE 3", "CYCLE"), 0.3
            )
            kind = tape.pick(f"{name}.type", ("", "", " AS integer", " AS smallint"))
            self.say(f"CREATE SEQUENCE app.{name}{kind} {' '.join(options)}")
            self.attach(f"SEQUENCE app.{name}", name, owner=f"SEQUENCE app.{name}", privileges=("USAGE", "SELECT"))
        if tape.has("collation", 0.3):
            self.say(f"CREATE COLLATION app.co (LOCALE = '{tape.pick('collation.locale', ('C', 'POSIX'))}')")
            self.attach("COLLATION app.co", "collation", owner="COLLATION app.co")

    def routines(self) -> None:
        tape = self.tape
        cost = tape.pick("f0.cost", ("", " COST 5", " PARALLEL SAFE", " SET work_mem = '8MB'"))
        result = tape.pick("f0.result", ("integer", "integer", "bigint"))
        argument = tape.pick("f0.argument", ("a", "a", "renamed"))
        body = tape.pick("f0.body", ("SELECT 1", "SELECT 2", "SELECT $1"))
        self.say(
            f"CREATE FUNCTION app.f0({argument} integer) RETURNS {result} LANGUAGE sql IMMUTABLE{cost} AS '{body}'"
        )
        self.attach("FUNCTION app.f0(integer)", "f0", owner="FUNCTION app.f0(integer)", privileges=("EXECUTE",))
        default = tape.pick("f1.default", ("", " DEFAULT 3", " DEFAULT 4"))
        self.say(
            f"CREATE FUNCTION app.f1(x text, y integer{default}) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || $2'"
        )
        self.say("CREATE FUNCTION app.f1(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN x; END $$")
        if tape.has("f2", 0.5):
            word = tape.pick("f2.word", ("RETURN app.f0($1) + 1", "BEGIN ATOMIC SELECT app.f0($1) + 2; END"))
            self.say(
                f"CREATE FUNCTION app.f2(integer) RETURNS integer LANGUAGE sql IMMUTABLE {word}".replace(
                    "app.f0($1)", "app.f0($1)::integer"
                )
            )
        if tape.has("p0", 0.4):
            mode = tape.pick("p0.mode", ("IN", "INOUT"))
            self.say(
                f"CREATE PROCEDURE app.p0({mode} a integer) LANGUAGE plpgsql AS $$ BEGIN {tape.pick('p0.body', ('NULL;', 'PERFORM 1;'))} END $$"
            )
        if tape.has("aggregate", 0.4):
            start = tape.pick("aggregate.start", ("", ", INITCOND = '0'", ", INITCOND = '1'", ", PARALLEL = SAFE"))
            kind = tape.pick(
                "aggregate.state",
                (
                    "SFUNC = int4pl, STYPE = integer",
                    "SFUNC = int4pl, STYPE = integer",
                    "SFUNC = int4_sum, STYPE = bigint",
                ),
            )
            self.say(f"CREATE AGGREGATE app.total(integer) ({kind}{start})")
            self.attach("AGGREGATE app.total(integer)", "aggregate", owner="AGGREGATE app.total(integer)")
        self.say("CREATE FUNCTION app.tf() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
        if tape.has("operator", 0.3):
            more = ", ".join(
                tape.some(
                    "operator.more",
                    ("RESTRICT = eqsel", "JOIN = eqjoinsel", "HASHES", "COMMUTATOR = OPERATOR(app.===)"),
                    0.4,
                )
            )
            self.say(
                "CREATE FUNCTION app.same(integer, integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2'"
            )
            self.say(
                f"CREATE OPERATOR app.=== (FUNCTION = app.same, LEFTARG = integer, RIGHTARG = integer{', ' + more if more else ''})"
            )
        if tape.has("cast", 0.2):
            self.say("CREATE FUNCTION app.to_int(app.c0) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT ($1).a'")
            self.say(
                f"CREATE CAST (app.c0 AS integer) WITH FUNCTION app.to_int(app.c0){tape.pick('cast.as', ('', ' AS ASSIGNMENT'))}"
            )

    # --- tables ----------------------------------------------------------------------------------------------------

    def table(self, name: str) -> None:
        tape = self.tape
        lines = [f"id integer{self.identity(f'{name}.id')}"]
        columns: dict[str, str] = {"id": "integer"}
        families: dict[str, str] = {}
        values: dict[str, str] = {}
        after: list[str] = []
        for number in range(COLUMNS):
            path, column = f"{name}.c{number}", f"c{number}"
            if not tape.has(path, 0.7):
                continue
            family = tape.pick(f"{path}.family", tuple(FAMILIES), fixed=True)
            kind, value = tape.pick(f"{path}.type", FAMILIES[family])
            columns[column], families[column], values[column] = kind, family, value
            text = f"{column} {kind}"
            if tape.has(f"{path}.default", 0.4):
                default = tape.pick(f"{path}.value", DEFAULTS[family])
                text += f" DEFAULT {default}"
                if tape.has(f"{path}.not_null", 0.4):
                    text += " NOT NULL"
            lines.append(text)
            alter = f"ALTER TABLE app.{name} ALTER COLUMN {column}"
            if tape.has(f"{path}.statistics", 0.1):
                after.append(f"{alter} SET STATISTICS {tape.pick(f'{path}.target', (10, 20))}")
            if kind.startswith("text") and tape.has(f"{path}.storage", 0.15):
                after.append(f"{alter} SET STORAGE {tape.pick(f'{path}.how', ('EXTERNAL', 'MAIN'))}")
            if kind == "text" and tape.has(f"{path}.compression", 0.1):
                after.append(f"{alter} SET COMPRESSION pglz")
        numbers = [
            column
            for column, family in families.items()
            if family == "number" and columns[column] in ("integer", "bigint", "smallint", "numeric")
        ]
        if numbers and tape.has(f"{name}.generated", 0.3):
            expression = tape.pick(
                f"{name}.expression", ("{} + 1", "{} * 2", "app.f0({}::integer)::bigint", "app.f0(id)::bigint")
            )
            virtual = self.version >= 18 and "app." not in expression and tape.has(f"{name}.virtual", 0.4)
            lines.append(
                f"g bigint GENERATED ALWAYS AS ({expression.format(numbers[0])}) {'VIRTUAL' if virtual else 'STORED'}"
            )
        keyed = tape.has(f"{name}.key", 0.8)
        if keyed:
            lines.append(f"CONSTRAINT {name}_pkey PRIMARY KEY (id{', c9' if False else ''})")
        for column in numbers:
            if tape.has(f"{name}.{column}.unique", 0.15):
                deferred = tape.pick(f"{name}.{column}.deferred", ("", "", " DEFERRABLE INITIALLY DEFERRED"))
                lines.append(f"CONSTRAINT {name}_{column}_key UNIQUE ({column}){deferred}")
            if tape.has(f"{name}.{column}.check", 0.2):
                condition = tape.pick(
                    f"{name}.{column}.condition", ("{} > -5", "{} > -6", "app.f0({}::integer) IS NOT NULL")
                )
                lines.append(f"CONSTRAINT {name}_{column}_check CHECK ({condition.format(column)})")
        others = [table for table in self.tables if table.keyed]
        if others and tape.has(f"{name}.ref", 0.5):
            other = tape.pick(f"{name}.ref.to", others)
            action = tape.pick(
                f"{name}.ref.action",
                ("", " ON DELETE CASCADE", " ON DELETE SET NULL", " DEFERRABLE INITIALLY DEFERRED"),
            )
            lines.append(f"ref integer CONSTRAINT {name}_ref REFERENCES app.{other.name} (id){action}")
        unlogged = "UNLOGGED " if not others and tape.has(f"{name}.unlogged", 0.1) else ""
        if unlogged:
            keyed = False  # logged tables must not refer to it
        options = tape.pick(
            f"{name}.options", ("", "", " WITH (fillfactor = 70)", " WITH (fillfactor = 80, autovacuum_enabled = off)")
        )
        self.say(f"CREATE {unlogged}TABLE app.{name} (\n    " + ",\n    ".join(lines) + f"\n){options}")
        for text in after:
            self.say(text)
        self.tables.append(Table(name, columns, keyed, not unlogged))
        for n in (1, 2):
            into = ", ".join(["id", *values])
            filled = ", ".join([str(n), *(value.format(n=n) for value in values.values())])
            self.rows.append(f"INSERT INTO app.{name} ({into}) OVERRIDING SYSTEM VALUE VALUES ({filled});")
        self.beside(name, columns, families, numbers)

    def identity(self, path: str) -> str:
        tape = self.tape
        match tape.pick(f"{path}.identity", ("", "", "always", "default")):
            case "always":
                options = " ".join(tape.some(f"{path}.options", ("INCREMENT BY 3", "CACHE 2", "START WITH 50"), 0.3))
                return f" GENERATED ALWAYS AS IDENTITY{f' ({options})' if options else ''}"
            case "default":
                return " GENERATED BY DEFAULT AS IDENTITY"
            case _:
                return " NOT NULL"

    def beside(self, name: str, columns: dict[str, str], families: dict[str, str], numbers: list[str]) -> None:
        """What hangs on a table."""
        tape, table = self.tape, f"app.{name}"
        self.attach(f"TABLE {table}", name, owner=f"TABLE {table}", privileges=("SELECT", "INSERT", "UPDATE"))
        plain = [column for column in columns if families.get(column, "number") in ("number", "words", "time", "enum")]
        for number in range(2):
            path = f"{name}.i{number}"
            if tape.has(path, 0.4):
                column = tape.pick(f"{path}.column", plain)
                words = families.get(column) == "words"
                key = (
                    tape.pick(f"{path}.key", ("{}", "{} DESC", "({} IS NULL)", "lower({}::text)"))
                    if words
                    else tape.pick(f"{path}.plain", ("{}", "{} DESC", "({} IS NULL)"))
                )
                include = " INCLUDE (id)" if tape.has(f"{path}.include", 0.2) else ""
                options = tape.pick(f"{path}.options", ("", "", " WITH (fillfactor = 70)", " WITH (fillfactor = 90)"))
                where = tape.pick(f"{path}.where", ("", "", " WHERE id > 0", " WHERE app.f0(id) IS NOT NULL"))
                self.say(f"CREATE INDEX {name}_i{number} ON {table} ({key.format(column)}){include}{options}{where}")
                self.attach(f"INDEX app.{name}_i{number}", path)
        if tape.has(f"{name}.security", 0.4):
            self.say(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            if tape.has(f"{name}.policy", 0.7):
                command = tape.pick(f"{name}.command", ("ALL", "SELECT", "UPDATE"))
                roles = tape.pick(f"{name}.roles", ("PUBLIC", "soak_reader", "soak_reader, soak_writer"))
                condition = tape.pick(f"{name}.using", ("id > 0", "app.f0(id) > 0", "current_user = 'x'"))
                check = tape.pick(f"{name}.with_check", ("", " WITH CHECK (id > 1)")) if command != "SELECT" else ""
                restrictive = tape.pick(f"{name}.restrictive", ("", "", " AS RESTRICTIVE"))
                self.say(f"CREATE POLICY p ON {table}{restrictive} FOR {command} TO {roles} USING ({condition}){check}")
                self.attach(f"POLICY p ON {table}", f"{name}.policy")
        if tape.has(f"{name}.trigger", 0.4):
            when = tape.pick(f"{name}.when", ("BEFORE INSERT", "AFTER UPDATE OF id", "AFTER INSERT OR DELETE"))
            condition = " WHEN (NEW.id > 5)" if "DELETE" not in when and tape.has(f"{name}.condition", 0.4) else ""
            constraint = "CONSTRAINT " if when.startswith("AFTER") and tape.has(f"{name}.constraint", 0.2) else ""
            self.say(
                f"CREATE {constraint}TRIGGER tr {when} ON {table} FOR EACH ROW{condition} EXECUTE FUNCTION app.tf()"
            )
            if tape.has(f"{name}.disabled", 0.2):
                self.say(f"ALTER TABLE {table} DISABLE TRIGGER tr")
        if tape.has(f"{name}.rule", 0.2):
            action = tape.pick(f"{name}.action", ("DO ALSO NOTHING", "WHERE OLD.id = 77 DO INSTEAD NOTHING"))
            self.say(f"CREATE RULE ru AS ON DELETE TO {table} {action}")
        if len(numbers) > 1 and tape.has(f"{name}.statistics", 0.4):
            kinds = tape.pick(f"{name}.kinds", ("", " (ndistinct)", " (mcv, dependencies)"))
            self.say(f"CREATE STATISTICS app.{name}_st{kinds} ON {', '.join(numbers[:2])} FROM {table}")
        if tape.has(f"{name}.column_grant", 0.15):
            self.say(f"GRANT UPDATE (id) ON {table} TO soak_writer")
        if tape.has(f"{name}.column_comment", 0.2):
            self.say(f"COMMENT ON COLUMN {table}.id IS '{tape.pick(f'{name}.said', ('one', 'two'))}'")
        if tape.has(f"{name}.replica", 0.15):
            self.say(f"ALTER TABLE {table} REPLICA IDENTITY {tape.pick(f'{name}.identity', ('FULL', 'NOTHING'))}")

    def partitions(self) -> None:
        tape = self.tape
        if not tape.has("part", 0.6):
            return
        columns = ["id integer NOT NULL", "at integer NOT NULL"]
        if tape.has("part.note", 0.6):
            columns.append(
                f"note {tape.pick('part.note.type', ('text', 'varchar(20)'))}{tape.pick('part.note.default', ('', chr(32) + 'DEFAULT 1'))}"
            )
        if tape.has("part.key", 0.5):
            columns.append("CONSTRAINT part_pkey PRIMARY KEY (id, at)")
        if tape.has("part.check", 0.3):
            columns.append(f"CONSTRAINT part_check CHECK (at > {tape.pick('part.limit', (-1, -2))})")
        self.say(f"CREATE TABLE app.part ({', '.join(columns)}) PARTITION BY RANGE (at)")
        cut = tape.pick("part.cut", (10, 10, 6))
        for number, (low, high) in enumerate(((0, cut), (cut, 20), (20, 30))):
            if tape.has(f"part.{number}", 1 if low <= 6 else 0.7):  # the rows need a place
                self.say(f"CREATE TABLE app.part_{number} PARTITION OF app.part FOR VALUES FROM ({low}) TO ({high})")
                if tape.has(f"part.{number}.index", 0.2):
                    self.say(f"CREATE INDEX part_{number}_own ON app.part_{number} (id)")
        if tape.has("part.rest", 0.3):
            self.say("CREATE TABLE app.part_rest PARTITION OF app.part DEFAULT")
        if tape.has("part.index", 0.5):
            self.say(f"CREATE INDEX part_at ON app.part ({tape.pick('part.index.key', ('at', 'at DESC', 'id'))})")
        if tape.has("part.trigger", 0.3):
            self.say("CREATE TRIGGER tr AFTER INSERT ON app.part FOR EACH ROW EXECUTE FUNCTION app.tf()")
        self.attach("TABLE app.part", "part", owner="TABLE app.part", privileges=("SELECT",))
        self.rows.append("INSERT INTO app.part (id, at) VALUES (1, 5), (2, 6);")
        self.tables.append(Table("part", {"id": "integer", "at": "integer"}, keyed=False))

    def inheritance(self) -> None:
        tape = self.tape
        if not tape.has("inherit", 0.5):
            return
        self.say(
            f"CREATE TABLE app.h0 (id integer, a {tape.pick('inherit.a', ('integer', 'bigint'))}, CONSTRAINT h0_check CHECK (id > {tape.pick('inherit.limit', (0, -1))}))"
        )
        self.say("CREATE TABLE app.h1 (b text)")
        parents = ["app.h0", *(["app.h1"] if tape.pick("inherit.second", (False, False, True), fixed=True) else [])]
        self.say(
            f"CREATE TABLE app.h2 (own integer{tape.pick('inherit.own', ('', chr(32) + 'DEFAULT 1'))}) INHERITS ({', '.join(parents)})"
        )
        if tape.has("inherit.index", 0.3):
            self.say("CREATE INDEX h2_own ON app.h2 (own)")
        if tape.has("inherit.default", 0.3):
            self.say("ALTER TABLE app.h2 ALTER COLUMN a SET DEFAULT 3")
        if tape.has("inherit.note", 0.5):
            self.say("ALTER TABLE app.h0 ADD COLUMN note text")
        for table in ("h0", "h2"):
            if tape.has(f"inherit.{table}.required", 0.2):
                self.say(f"ALTER TABLE app.{table} ALTER COLUMN a SET NOT NULL")
            if tape.has("inherit.note", 0.5):
                for setting in ("STORAGE EXTERNAL", "STATISTICS 7", "SET (n_distinct = 5)"):
                    if tape.has(f"inherit.{table}.{setting}", 0.2):
                        self.say(f"ALTER TABLE ONLY app.{table} ALTER COLUMN note SET {setting.removeprefix('SET ')}")
        self.rows.append("INSERT INTO app.h2 (id, a) VALUES (1, 1), (2, 2);")
        self.tables.append(Table("h2", {"id": "integer"}, keyed=False))

    # --- rarer kinds, each on its own ------------------------------------------------------------------------------

    def rarer(self) -> None:
        for part in (
            self.typed, self.named_badly, self.constrained, self.nested_types, self.polymorphic, self.sorted_otherwise,
            self.watched_views,
        ):  # fmt: skip
            part()

    def typed(self) -> None:
        """A type, a table of it, and a column and a function that hold its values."""
        tape = self.tape
        if not tape.has("typed", 0.4):
            return
        last = tape.pick("typed.last", ("", ", c date", ", c date, d text"))
        self.say(f"CREATE TYPE app.row0 AS (a integer, b {tape.pick('typed.b', ('text', 'varchar(20)'))}{last})")
        options = tape.pick(
            "typed.options", ("", " (PRIMARY KEY (a))", " (a WITH OPTIONS NOT NULL, b WITH OPTIONS DEFAULT 'x')")
        )
        self.say(f"CREATE TABLE app.typed OF app.row0{options}")
        if tape.has("typed.view", 0.4):
            self.say("CREATE VIEW app.of_typed AS SELECT a, b FROM app.typed")
        if tape.has("typed.function", 0.4):
            self.say("CREATE FUNCTION app.first(app.row0) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT ($1).a'")

    def named_badly(self) -> None:
        """Names and texts that must be quoted; some of them change, none of them is another's beginning."""
        tape = self.tape
        if not tape.has("quoted", 0.5):
            return
        names = ('"a ""b"" c"', '"select"', '"x%s {} $1"', '"é; --"', '"it\'s"', '"B\\n"')
        for number, name in enumerate(names):
            path = f"quoted.{number}"
            if not tape.has(path, 0.6):
                continue
            text = tape.pick(f"{path}.text", ("'it''s'", "E'back\\\\slash'", "'two\nlines %s'", "'$$'"))
            kind = tape.pick(f"{path}.kind", ("text", "varchar(40)"))
            self.say(
                f"CREATE TABLE app.{name} (id integer PRIMARY KEY, {name} {kind} DEFAULT {text} CHECK ({name} <> {text}))"
            )
            if tape.has(f"{path}.index", 0.5):
                self.say(f"CREATE INDEX ON app.{name} (({name} || {text})) WHERE {name} <> {text}")
            if tape.has(f"{path}.comment", 0.5):
                self.say(f"COMMENT ON COLUMN app.{name}.{name} IS {text}")
            if tape.has(f"{path}.policy", 0.3):
                self.say(f"CREATE POLICY {name} ON app.{name} USING ({name} <> {text})")
            if tape.has(f"{path}.trigger", 0.3):
                when = f" WHEN (NEW.{name} <> {text})"
                self.say(
                    f"CREATE TRIGGER {name} BEFORE UPDATE ON app.{name} FOR EACH ROW{when} EXECUTE FUNCTION app.tf({text})"
                )
            if tape.has(f"{path}.grant", 0.3):
                self.say(
                    f"GRANT SELECT ({name}) ON app.{name} TO soak_reader{tape.pick(f'{path}.option', ('', ' WITH GRANT OPTION'))}"
                )

    def constrained(self) -> None:
        """Constraints of all kinds, with what can be said of each."""
        tape = self.tape
        if not tape.has("constrained", 0.6):
            return
        lines = ["a integer", "b integer", "r int4range", "t text"]
        if self.version >= 18 and tape.has("constrained.named", 0.4):
            first, second = tape.pick("constrained.names", (("one", "two"), ("two", "one"), ("one", "three")))
            lines[0] += f" CONSTRAINT {first} NOT NULL"
            lines[1] += f" CONSTRAINT {second} NOT NULL"
        distinct = " NULLS NOT DISTINCT" if self.version >= 15 and tape.has("constrained.distinct", 0.4) else ""
        unique = f"UNIQUE{distinct} (a, b)"
        include = tape.pick("constrained.include", ("", " INCLUDE (t)"))
        lines.append(f"CONSTRAINT con_key {unique}{include}{tape.pick('constrained.defer', ('', ' DEFERRABLE'))}")
        if tape.has("constrained.exclude", 0.5):
            where = tape.pick("constrained.where", ("", " WHERE (a > 0)"))
            defer = tape.pick("constrained.exclude.defer", ("", " DEFERRABLE INITIALLY DEFERRED"))
            lines.append(f"CONSTRAINT con_range EXCLUDE USING gist (r WITH &&){where}{defer}")
        self.say(f"CREATE TABLE app.con ({', '.join(lines)})")
        valid = tape.pick("constrained.valid", ("", "", " NOT VALID"))
        self.say(
            f"ALTER TABLE app.con ADD CONSTRAINT con_check CHECK (a + b > {tape.pick('constrained.low', (0, 1))}){valid}"
        )
        if tape.has("constrained.self", 0.4):
            match = tape.pick("constrained.match", ("", " MATCH FULL"))
            enforced = tape.pick("constrained.enforced", ("", " NOT ENFORCED")) if self.version >= 18 else ""
            timing = tape.pick("constrained.timing", ("", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"))
            self.say("ALTER TABLE app.con ADD CONSTRAINT con_unique UNIQUE (b, a)")
            self.say(
                f"ALTER TABLE app.con ADD CONSTRAINT con_self FOREIGN KEY (a, b) REFERENCES app.con (b, a){match}{timing}{enforced}"
            )
        for constraint in tape.some("constrained.comments", ("con_key", "con_check"), 0.3):
            self.say(f"COMMENT ON CONSTRAINT {constraint} ON app.con IS '{tape.pick('constrained.said', ('x', 'y'))}'")
        if tape.has("constrained.statistics", 0.4):
            what = tape.pick("constrained.on", ("(a + b), t", "(a * 2), (lower(t))"))
            self.say(f"CREATE STATISTICS app.con_st ON {what} FROM app.con")
            if tape.has("constrained.target", 0.4):
                self.say(f"ALTER STATISTICS app.con_st SET STATISTICS {tape.pick('constrained.at', (10, 20))}")
        if tape.has("constrained.cluster", 0.3):
            self.say("CREATE INDEX con_t ON app.con (t)")
            self.say("ALTER TABLE app.con CLUSTER ON con_t")

    def nested_types(self) -> None:
        """Types over types, and a column that holds them."""
        tape = self.tape
        if not tape.has("nested", 0.5):
            return
        labels = tape.pick("nested.labels", ("'a', 'b'", "'b', 'a'", "'a', 'x', 'b'", "'b'"))
        self.say(f"CREATE TYPE app.n0 AS ENUM ({labels})")
        check = tape.pick("nested.check", ("", " CHECK (VALUE <> 'a')", " NOT NULL", " DEFAULT 'b'"))
        if "'a'" in check and "'a'" not in labels:
            check = ""
        self.say(f"CREATE DOMAIN app.n1 AS app.n0{check}")
        attributes = tape.pick(
            "nested.attributes", ("e app.n0, d app.n1", "d app.n1, e app.n0", "e app.n0[], d app.n1")
        )
        self.say(f"CREATE TYPE app.n2 AS ({attributes})")
        self.say(f"CREATE DOMAIN app.n3 AS {tape.pick('nested.base', ('integer', 'bigint'))}[]")
        columns = ["a app.n0 DEFAULT 'b'", "b app.n1", "c app.n2[]", "d app.n3", "e app.n0[]"]
        self.say(
            f"CREATE TABLE app.nested (id integer PRIMARY KEY, {', '.join(tape.some('nested.columns', columns, 0.7) or columns[:1])})"
        )
        if tape.has("nested.function", 0.5):
            self.say(
                "CREATE FUNCTION app.nf(x app.n0, VARIADIC y app.n1[]) RETURNS SETOF app.n2 LANGUAGE plpgsql AS $$ BEGIN RETURN; END $$"
            )
        if tape.has("nested.view", 0.4):
            self.say("CREATE VIEW app.nv AS SELECT 'b'::app.n0 AS e, NULL::app.n2 AS c")
        if tape.has("nested.reads", 0.3):
            self.say("CREATE FUNCTION app.nr(app.nested) RETURNS integer LANGUAGE sql AS 'SELECT ($1).id'")

    def polymorphic(self) -> None:
        """Routines with outputs, defaults, variadics and types of any kind; one is of another kind at times."""
        tape = self.tape
        if not tape.has("polymorphic", 0.5):
            return
        out = tape.pick("polymorphic.out", ("OUT x integer, OUT y text", "OUT y text, OUT x integer", "OUT x integer"))
        self.say(f"CREATE FUNCTION app.po({out}) LANGUAGE plpgsql AS $$ BEGIN END $$")
        body = tape.pick("polymorphic.body", ("SELECT $1[1]", "SELECT $1[2]"))
        self.say(f"CREATE FUNCTION app.pa(VARIADIC a anyarray) RETURNS anyelement LANGUAGE sql IMMUTABLE AS '{body}'")
        table = tape.pick("polymorphic.table", ("a integer", "a integer, b text"))
        self.say(
            f"CREATE FUNCTION app.pt(n integer DEFAULT {tape.pick('polymorphic.n', (1, 2))}) RETURNS TABLE ({table}) LANGUAGE plpgsql AS $$ BEGIN END $$"
        )
        kind = tape.pick("polymorphic.kind", ("FUNCTION", "PROCEDURE"))
        returns = " RETURNS void" if kind == "FUNCTION" else ""
        self.say(f"CREATE {kind} app.pk(a integer){returns} LANGUAGE plpgsql AS $$ BEGIN END $$")
        self.attach(
            f"{kind} app.pk(integer)", "polymorphic.pk", owner=f"{kind} app.pk(integer)", privileges=("EXECUTE",)
        )
        if tape.has("polymorphic.used", 0.5):
            self.say("CREATE VIEW app.pv AS SELECT app.pa(1, 2) AS x, p.a FROM app.pt() p")
        if tape.has("polymorphic.atomic", 0.4):
            word = tape.pick("polymorphic.word", ("SELECT a FROM app.pt(1) p", "SELECT app.pa(3, 4)"))
            self.say(f"CREATE FUNCTION app.pq() RETURNS integer LANGUAGE sql BEGIN ATOMIC {word}; END")

    def sorted_otherwise(self) -> None:
        """Collations, operator classes and what is sorted by them."""
        tape = self.tape
        if not tape.has("sorted", 0.4):
            return
        self.say(f"CREATE COLLATION app.so (LOCALE = '{tape.pick('sorted.locale', ('C', 'POSIX'))}')")
        self.say("CREATE OPERATOR FAMILY app.sf USING btree")
        more = tape.pick("sorted.more", ("", ", OPERATOR 3 ="))
        self.say(
            f"CREATE OPERATOR CLASS app.sc FOR TYPE integer USING btree FAMILY app.sf AS OPERATOR 1 <, OPERATOR 5 >{more}, FUNCTION 1 btint4cmp(integer, integer)"
        )
        collate = tape.pick("sorted.collate", ("", " COLLATE app.so", ' COLLATE "C"'))
        self.say(f"CREATE TABLE app.sorted (a integer, t text{collate}, u varchar(9))")
        self.say(
            f"CREATE INDEX sorted_t ON app.sorted (t{tape.pick('sorted.index', ('', ' COLLATE app.so', ' DESC NULLS LAST'))})"
        )
        if tape.has("sorted.class", 0.5):
            self.say("CREATE INDEX sorted_a ON app.sorted (a app.sc)")
        if tape.has("sorted.pattern", 0.5):
            self.say("CREATE INDEX sorted_u ON app.sorted (u varchar_pattern_ops)")
        if tape.has("sorted.view", 0.5):
            self.say("CREATE VIEW app.sv AS SELECT t, lower(t COLLATE app.so) AS low FROM app.sorted ORDER BY t")
        if tape.has("sorted.conversion", 0.3):
            self.say("CREATE CONVERSION app.cv FOR 'LATIN1' TO 'UTF8' FROM pg_catalog.iso8859_1_to_utf8")

    def watched_views(self) -> None:
        """A view that can be written to: rules, triggers in its place, defaults, options."""
        tape = self.tape
        if not tape.has("written", 0.4):
            return
        self.say("CREATE TABLE app.base (id integer PRIMARY KEY, note text)")
        options = tape.pick("written.options", ("", " WITH (check_option = local)", " WITH (security_barrier = true)"))
        more = tape.pick("written.more", ("", ", note"))
        self.say(
            f"CREATE VIEW app.written{options} AS SELECT id{more} FROM app.base WHERE id > {tape.pick('written.low', (0, 1))}"
        )
        if tape.has("written.default", 0.4):
            self.say(f"ALTER VIEW app.written ALTER COLUMN id SET DEFAULT {tape.pick('written.value', (5, 6))}")
        if tape.has("written.trigger", 0.4):
            self.say("CREATE TRIGGER instead INSTEAD OF INSERT ON app.written FOR EACH ROW EXECUTE FUNCTION app.tf()")
        if tape.has("written.rule", 0.3):
            self.say("CREATE RULE gone AS ON DELETE TO app.written DO INSTEAD NOTHING")
            self.say("COMMENT ON RULE gone ON app.written IS 'kept'")
        if tape.has("written.transition", 0.4):
            name = tape.pick("written.name", ("fresh", "added"))
            self.say(
                f"CREATE TRIGGER moved AFTER INSERT ON app.base REFERENCING NEW TABLE AS {name} FOR EACH STATEMENT EXECUTE FUNCTION app.tf()"
            )
        if tape.has("written.over", 0.5):
            self.say("CREATE VIEW app.over AS SELECT w.id, count(*) AS n FROM app.written w GROUP BY w.id")
        if tape.has("written.grant", 0.3):
            self.say("GRANT SELECT, UPDATE (id) ON app.written TO soak_writer")

    # --- views, what is wide ---------------------------------------------------------------------------------------

    def views(self) -> None:
        tape = self.tape
        known = {f"app.{table.name}": list(table.columns) for table in self.tables}
        for number in range(4):
            path, view = f"v{number}", f"app.v{number}"
            if not known or not tape.has(path, 0.7):
                continue
            names = sorted(known)
            source = tape.pick(f"{path}.from", names)
            columns = ["id", *tape.some(f"{path}.columns", [column for column in known[source] if column != "id"], 0.4)]
            if tape.has(f"{path}.function", 0.3):
                columns.append(f"app.f0(id) AS computed_{number}")
            where = tape.pick(f"{path}.where", ("", " WHERE id > 0", " WHERE id > 1"))
            kind = "MATERIALIZED VIEW" if number == 3 else "VIEW"
            options = tape.pick(f"{path}.options", ("", "", " WITH (security_barrier = true)")) if number != 3 else ""
            self.say(f"CREATE {kind} {view}{options} AS SELECT {', '.join(columns)} FROM {source}{where}")
            self.attach(f"{kind} {view}", path, owner=f"{kind} {view}", grant=view, privileges=("SELECT",))
            if number == 3 and tape.has(f"{path}.index", 0.5):
                self.say(f"CREATE INDEX v3_id ON {view} (id)")
            known[view] = ["id", *(column.split(" AS ")[-1] for column in columns[1:])]

    def wide(self) -> None:
        tape = self.tape
        if tape.has("search", 0.3):
            language = tape.pick("search.language", ("english", "german"))
            self.say(f"CREATE TEXT SEARCH DICTIONARY app.words (TEMPLATE = snowball, LANGUAGE = {language})")
            self.say("CREATE TEXT SEARCH CONFIGURATION app.search (PARSER = pg_catalog.default)")
            tokens = tape.some("search.tokens", ("asciiword", "word", "email"), 0.5)
            if tokens:
                self.say(
                    f"ALTER TEXT SEARCH CONFIGURATION app.search ADD MAPPING FOR {', '.join(tokens)} WITH app.words"
                )
        published = tape.some(
            "publication.tables",
            [f"app.{table.name}" for table in self.tables if table.name in TABLES and table.logged],
            0.4,
        )
        if tape.has("publication", 0.4):
            operations = tape.pick(
                "publication.publish", ("", " WITH (publish = 'insert')", " WITH (publish_via_partition_root = true)")
            )
            self.say(
                f"CREATE PUBLICATION soak_publication{' FOR TABLE ' + ', '.join(published) if published else ''}{operations}"
            )
        if tape.has("foreign", 0.3):
            option = tape.pick("foreign.host", ("OPTIONS (host 'one')", "OPTIONS (host 'two', port '5')", ""))
            self.say("CREATE FOREIGN DATA WRAPPER soak_wrapper")
            self.say(
                f"CREATE SERVER soak_server {tape.pick('foreign.type', ('', chr(32) + 'TYPE ' + chr(39) + 'x' + chr(39)))} FOREIGN DATA WRAPPER soak_wrapper {option}"
            )
            self.say("CREATE USER MAPPING FOR soak_reader SERVER soak_server")
            self.say(
                f"CREATE FOREIGN TABLE app.far (id integer, b {tape.pick('foreign.b', ('text', 'integer'))}) SERVER soak_server"
            )
        for number, text in enumerate(
            (
                "GRANT SELECT ON TABLES TO soak_reader",
                "GRANT USAGE ON SEQUENCES TO soak_writer",
                "REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
            )
        ):
            if tape.has(f"default_privileges.{number}", 0.15):
                self.say(f"ALTER DEFAULT PRIVILEGES {'IN SCHEMA app ' if number < 2 else ''}{text}")
        self.attach("SCHEMA app", "app", owner="SCHEMA app", privileges=("USAGE", "CREATE"))
