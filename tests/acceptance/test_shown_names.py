"""Whatever a name or a text holds, no command shows people anything that a terminal or a browser would obey."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from reconciler.cli.commands import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.one_server

# What would end a line, a cell, a tag, a block of code, a heading or a quotation, move a cursor or turn a line round.
HOSTILE = "z\x1b[8m\n# HEAD\r\x07\x9b2J\u202eq'\"`|<script>alert(1)</script>&\\\t"
TARGET = HOSTILE.replace("HEAD", "OTHER")


def _names(text: str, prefix: str = "") -> dict[str, sql.Composable]:
    keys = (
        *("table", "column", "plain", "check", "index", "view", "function", "argument", "sequence", "policy"),
        *("enum", "trigger", "domain", "fk"),
    )
    found: dict[str, sql.Composable] = {key: sql.Identifier(f"{prefix}{key[0]}{key[-2]}{text}"[:50]) for key in keys}
    return {**found, "text": sql.Literal(text), "role": sql.Identifier("role" + HOSTILE)}


PARTS = (
    "create type {enum} as enum ({text}, 'b');",
    (
        "create table {table} ({column} integer primary key, {plain} text default {text}, e {enum} default {text},"
        " {fk} integer references {table}, constraint {check} check ({plain} <> {text}));"
    ),
    "create index {index} on {table} ({plain}) where {plain} <> {text};",
    "create view {view} as select {column} from {table} where {plain} <> {text};",
    "create function {function}({argument} text default {text}) returns text language sql as 'select 1::text';",
    "create function {trigger}() returns trigger language plpgsql as 'begin return new; end';",
    "create trigger {trigger} before update on {table} for each row execute function {trigger}();",
    "create sequence {sequence};",
    "create policy {policy} on {table} using ({plain} <> {text});",
    "create domain {domain} as text check (value <> {text});",
    "comment on table {table} is {text};",
    "grant select on {table} to {role};",
)


def _declared(*names: dict[str, sql.Composable]) -> str:
    return "\n".join(sql.SQL(part).format(**each).as_string(None) for each in names for part in PARTS)


def _raw(shown: str, form: str) -> list[str]:
    """The characters of an output that are more than text, tags, and lines that a name has begun outside of SQL."""
    found = [
        repr(each)
        for each in shown
        if (each not in "\n\t" and unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp"))
        or unicodedata.bidirectional(each) in ("RLO", "LRO", "RLE", "LRE")
    ]
    if form == "html":
        found += re.findall("<script", shown)
        shown = re.sub(r"(?s)<pre.*?</pre>", "", shown)
    elif form == "markdown":
        shown = re.sub(r"(?ms)^ *(`{3,})\w*\n.*?\n *\1$", "", shown)
        found += re.findall(r"(?<!\\)<script", re.sub(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)", "", shown))
    return [*found, *re.findall(r"(?m)^# (?:HEAD|OTHER).*$", shown)] if form != "sql" else found


def test_no_command_shows_a_name_raw(database: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    declared = tmp_path / "app.sql"
    options = ["--dsn", database]
    faults: dict[str, list[str]] = {}

    def shown(*command: str, codes: tuple[int, ...] = (0, 2, 3, 4), form: str = "text") -> None:
        code = run([*command, *options])
        out = "".join(capfd.readouterr())
        assert code in codes, (command, out)
        if found := _raw(out, form):
            faults[" ".join(command).replace(str(tmp_path), "")] = found[:3]

    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(sql.SQL("create role {}").format(sql.Identifier("role" + HOSTILE)))
        try:
            first, second = _names(HOSTILE), _names(TARGET, "x")
            declared.write_text(_declared(first), newline="")
            source = str(declared)
            for form in ("text", "markdown", "html"):
                shown("plan", source, "--format", form, form=form)
            shown("plan", source, "--details", form="sql")
            shown("apply", source, "--yes")
            admin.execute(sql.SQL("insert into {table} ({column}, {plain}) values (1, 'x'), (2, 'x')").format(**first))
            # Drift, in each way, and a declaration that changes all of it.
            admin.execute(
                sql.SQL("alter table {table} add column {domain} int").format(**second | {"table": first["table"]})
            )
            admin.execute(sql.SQL("comment on table {table} is 'hand'").format(**first))
            shown("check")
            for form in ("text", "markdown", "html"):
                shown("check", source, "--format", form, form=form)
                shown("plan", source, "--format", form, form=form)
            shown("repair", source, "--revert", "--dry-run")
            shown("status")
            shown("history")
            shown("show", "0")
            shown("log")
            shown("incidents")
            shown(
                "blame",
                f"table:public.{first['table'].as_string(None)[1:-1].replace(chr(34) * 2, chr(34))}",
                codes=(0, 1),
            )
            shown("diagram", form="markdown")
            declared.write_text(
                _declared(second)
                + sql.SQL("create table {table} ({plain} text unique);").format(**first).as_string(None),
                newline="",
            )
            for form in ("text", "markdown", "html"):
                shown("plan", source, "--format", form, form=form)
            shown("plan", source, "--details", form="sql")
            shown("apply", source, "--yes")
            shown("apply", source, "--yes", "--allow", "all", codes=(0, 1, 3))
            # Errors: of the server, of the source, of names that are not there.
            for text in (
                sql.SQL("create table {table} (a nothing)").format(**first),
                sql.SQL("create view {view} as select {plain} from {table}").format(**second),
                sql.SQL("do $$ begin raise exception {}; end $$").format(sql.Literal(HOSTILE)),
                sql.SQL("alter role {role} superuser").format(**first),
            ):
                declared.write_text(text.as_string(None), newline="")
                shown("plan", source, codes=(1, 3))
            shown("blame", f"table:public.{HOSTILE}", codes=(0, 1))
            shown("repair", source, "--revert", "--object", f"table:public.{HOSTILE}", codes=(0, 1, 3))
            shown("check", "--plugin", HOSTILE, codes=(0, 1))
            shown("check", "--schema", HOSTILE, codes=(0, 1, 2, 4))
            shown("plan", str(tmp_path / "no\x1b[8mfile\u202e.sql"), codes=(1,))
        finally:
            admin.execute(sql.SQL("drop owned by {}; drop role {}").format(*[sql.Identifier("role" + HOSTILE)] * 2))

    assert faults == {}
