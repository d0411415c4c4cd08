"""What a source may reach, told from its words: what is harmless stays so, and what cannot be told is not called so."""

from __future__ import annotations

import pytest

from reconciler.source.reach import EffectKind, Known, OutsideFunction, reach_of
from reconciler.source.source import SourceStatement
from reconciler.sqltext.lexer import split

KNOWN = Known(
    schemas=frozenset({"public"}),
    functions={
        "tidy": [OutsideFunction(name="tidy", language="sql", immutable=True, body="select $1", extension=None)],
        "bump": [
            OutsideFunction(name="bump", language="sql", immutable=False, body="select nextval('s')", extension=None)
        ],
    },
    relations=frozenset({("other", "log"), ("other", "s")}),
    outside=frozenset({"other"}),
)
HARMLESS = [
    "do $$ begin create type mood as enum ('a'); exception when duplicate_object then null; end $$;",
    "do $$ begin alter table b add constraint fk foreign key (a) references a (id); end $$;",
    "select pg_catalog.set_config('search_path', '', false);",
    "create table t (id int default nextval('public.t_id_seq'::regclass)); select setval('public.t_id_seq', 7);",
    "create table k (id serial); insert into k default values; select setval(pg_get_serial_sequence('k', 'id'), 3);",
    "create table t (id int, log text); comment on table t is 'of other.log'; -- other.log",
    "create function f() returns void language sql as $$ select pg_terminate_backend(1) $$;",
    "create function f() returns bigint language sql as $$ select nextval('other.s') $$; create table t (a int);",
    "create table t (a int check (tidy(a) > 0));",
    "create foreign table away partition of p for values from (10) to (20) server far;",
    "do $$ begin execute 'create table x (a int)'; end $$;",
    "do $$ begin execute format('alter database %I set work_mem = ''8MB''', current_database()); end $$;",
    "do $$ begin execute format('create user mapping for public server s options (password %L)', 'x'); end $$;",
    "do $$ begin execute 'alter database ' || quote_ident(current_database()) || ' set jit = off'; end $$;",
    """create function f() returns trigger language plpgsql as $$ begin perform pg_notify('a', 'b'); return new; end $$;
    create table t (a int); create trigger f after insert on t for each row execute function f();
    insert into t values (1);""",
]
REACHING = {
    "create view v as select * from other.log;": EffectKind.LOCKS,
    "create table t (a int references other.log);": EffectKind.LOCKS,
    "alter table if exists only other.log add a int;": EffectKind.WRITES,
    "create index on other.log (id);": EffectKind.WRITES,
    "select bump();": EffectKind.WRITES,
    "select nextval($1);": EffectKind.WRITES,
    "select setval('16384'::oid::regclass, 1);": EffectKind.WRITES,
    "do $$ begin execute $x$ select nextval('other.s') $x$; end $$;": EffectKind.WRITES,
    "do $$ begin execute 'sel' || 'ect 1'; end $$;": EffectKind.UNKNOWN,
    "do $$ begin execute format('%s', current_database(), 'x'); end $$;": EffectKind.UNKNOWN,
    "do $$ begin execute format('select %I(1)', 'f'); end $$;": EffectKind.UNKNOWN,
    "do $$ begin execute format('do %L', 'begin perform setval(''other.s'', 1); end'); end $$;": EffectKind.WRITES,
    "do $$ begin execute format('select setval(''other.s'', %L)', current_database()); end $$;": EffectKind.WRITES,
    "do $$ begin execute format('create table %I ()', a); end $$;": EffectKind.UNKNOWN,
    "select query_to_xml('select 1', true, true, '');": EffectKind.UNKNOWN,
    "/* a comment */ select pg_reload_conf();": EffectKind.CLUSTER,
    "do $$ begin copy t to program 'x'; end $$;": EffectKind.CLUSTER,
    "create foreign table ft (a int) server s; insert into ft values (1);": EffectKind.CLUSTER,
}


def _kinds(text: str) -> set[EffectKind]:
    statements = [SourceStatement(sql=piece.sql, origin="s.sql", line=piece.line) for piece in split(text, "s.sql")]
    return {effect.kind for effect in reach_of(statements, KNOWN).effects}


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_declares_reaches_nothing(text: str) -> None:
    assert _kinds(text) == set()


@pytest.mark.parametrize("text", REACHING)
def test_what_reaches_further_is_told(text: str) -> None:
    assert max(_kinds(text)) is REACHING[text]


def test_functions_that_call_each_other_are_followed_once() -> None:
    """Sixty bodies that each name all the others would be more paths than anybody can follow."""
    names = [f"f{number}" for number in range(60)]
    calls = " ".join(f"perform {name}();" for name in names)
    source = "\n".join(
        f"create function {name}() returns void language plpgsql as $$ begin {calls} end $$;" for name in names
    )
    assert _kinds(f"{source}\nselect f0();\nselect f1();") == set()
