from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import SourceError
from reconciler.sqltext.lexer import split, tokens


def statements(text: str) -> list[str]:
    return [piece.sql for piece in split(text, "a.sql")]


@pytest.mark.parametrize(
    "whole",
    [
        "select 'a;b'",
        "select 'it''s; here'",
        r"select E'a\';b'",
        r"select e'a\\\';b'",
        "select E'a'\n  -- on it goes; with the same rules\n  'b\\';c'",
        r"select U&'\0061;b' UESCAPE '!'",
        r"select 'a\'",
        'select ";" as "a"";b"',
        'select U&"a;b"',
        "select $$a;b$$",
        "select $tag$a;$$;$other$;b$tag$",
        "select $é$;$é$",
        "select 1$$;$$",
        "select a$b$ from t$1",
        "prepare p as select $1 + $2",
        "select 1 -- no; end\n + 2",
        "select 1 /* no; /* nested; */ end; */ + 2",
        "select 1 */* ; */ 2",
        "create rule r as on insert to t do also (insert into a values (1); insert into b values (2))",
        "create function f() returns int begin atomic select 1; select 2; end",
        "create or replace procedure p() begin /* ; */ atomic select case when true then 1 end; end",
        "create function f(a int) returns int begin atomic select case a when 1 then (case when a then 2 end) end; end",
        "create function f() returns int begin atomic select 1 as end; select t.case from t; end",
        "create function f() returns int begin atomic select a$end from t; select 2; end",
        "create function \"begin\"() returns int language sql as 'select 1; select 2'",
        "create function begin() returns int language sql return case when true then 1 end",
        "create /* ; */ or -- ;\n replace function f() returns int begin atomic select 1; end",
    ],
)
def test_a_semicolon_inside_ends_no_statement(whole: str) -> None:
    assert statements(f"{whole};\nselect 'next';") == [whole, "select 'next'"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" ;; ; -- nothing\n /* nor here; */ ;", []),
        ("select 1", ["select 1"]),
        ("a;b", ["a", "b"]),
        ("select te'a\\'; select 'b'", ["select te'a\\'", "select 'b'"]),
        ("select a$$; select b$$", ["select a$$", "select b$$"]),
        ("select begin; select case; select end;", ["select begin", "select case", "select end"]),
        ("create table begin_atomic(); create table t()", ["create table begin_atomic()", "create table t()"]),
        (
            "create function f() returns int return 1; select 2",
            ["create function f() returns int return 1", "select 2"],
        ),
        ("select (1)); select 2", ["select (1))", "select 2"]),
        ("a;--> statement-breakpoint\nb;", ["a", "b"]),
        ("a -- comment\r;b", ["a -- comment", "b"]),
        ("/* first */ a /* last */;", ["a /* last */"]),
        ("\xa0a;", ["\xa0a"]),
    ],
)
def test_statements_end_where_postgres_ends_them(text: str, expected: list[str]) -> None:
    assert statements(text) == expected


def test_the_line_is_that_of_the_first_token() -> None:
    text = "-- a comment\n\na\n;\n/* more\n */ b;c;\n\n'x\n\n';d"
    assert [(piece.sql, piece.line) for piece in split(text, "a.sql")] == [
        ("a", 3),
        ("b", 6),
        ("c", 6),
        ("'x\n\n'", 8),
        ("d", 10),
    ]


def test_a_piece_knows_its_place_and_whether_a_semicolon_ended_it() -> None:
    text = "  a ;\n b  "
    pieces = list(split(text, "a.sql"))
    assert [text[piece.start : piece.end] for piece in pieces] == ["a", "b"]
    assert [piece.terminated for piece in pieces] == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a;\n 'b", "a.sql:2: the string that begins here is not terminated"),
        ("a;\n\nE'b\\'", "a.sql:3: the string"),
        ('"b', "a.sql:1: the quoted identifier"),
        ("a\n$x$ b $X$", "a.sql:2: the dollar-quoted string"),
        ("a;\n/* /* */", "a.sql:2: the comment"),
        ("create /* function", "a.sql:1: the comment"),
    ],
)
def test_what_is_never_closed_is_reported_where_it_begins(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=f"^{re.escape(message)}"):
        statements(text)


def test_the_restrict_lines_of_pg_dump_are_left_out() -> None:
    assert statements("\\restrict abc\na;\n\\unrestrict abc\nb;\n\\restrict x") == ["a", "b"]


def test_what_psql_is_told_of_itself_is_left_out() -> None:
    assert statements("\\set ON_ERROR_STOP on\n\\echo 'it;s\na;\n\\pset pager off\n\\timing\nb;") == ["a", "b"]
    assert statements("\\set user me\na;") == ["\\set user me", "a"]
    assert statements("\\echo no \\quit\na;") == ["\\echo no \\quit", "a"]


def test_meta_commands_are_pieces_of_their_own() -> None:
    pieces = list(split("a;\n\\i other's.sql\nselect 1 \\gx\nb;", "a.sql"))
    assert [(piece.sql, piece.line, piece.is_meta_command) for piece in pieces] == [
        ("a", 1, False),
        (r"\i other's.sql", 2, True),
        (r"\gx", 3, True),
        ("b", 4, False),
    ]


def test_the_data_after_copy_from_stdin_is_skipped() -> None:
    text = "copy public.t (a, b) from stdin;\n1\tit's; (\n\\N\t\\\\\n\\.\n\nselect 1;"
    assert [(piece.sql, piece.line) for piece in split(text, "a.sql")] == [
        ("copy public.t (a, b) from stdin", 1),
        ("select 1", 6),
    ]


def test_copy_data_without_an_end_reaches_to_the_end() -> None:
    assert statements("copy t from stdin;\n1\n2'") == ["copy t from stdin"]


def test_tokens_leave_comments_out() -> None:
    found = [(token.kind, token.text) for token in tokens("GRANT /* x */ a -- y\n ON \"q\"\"r\" 'it''s' ,")]
    assert found == [
        ("word", "GRANT"),
        ("word", "a"),
        ("word", "ON"),
        ("identifier", '"q""r"'),
        ("string", "'it''s'"),
        ("other", ","),
    ]


SIGNS = r"""' '' " $$ $a$ $ 1 a e E' U&' ; ( ) -- /* */ \ . é create function begin atomic end case as \restrict"""
FRAGMENTS = st.lists(st.sampled_from([*SIGNS.split(), " ", "\n", "\r", "copy t from stdin"])).map("".join)


@given(FRAGMENTS | st.text())
def test_any_text_is_split_or_refused_with_a_source_error(text: str) -> None:
    try:
        pieces = list(split(text, "a.sql"))
    except SourceError:
        return
    for piece in pieces:
        assert piece.sql == text[piece.start : piece.end]
        assert piece.line == text.count("\n", 0, piece.start) + 1


LITERALS = st.sampled_from(
    ["'a;''b'", '"a;""b"', "$$;'$$", "$x$;$$;$x$", r"E'\';'", "(a;(b);c)", "/*;/*;*/*/ x", "a$b$", "1"]
)
STATEMENTS = st.lists(LITERALS, min_size=1, max_size=6).map(" , ".join).map(lambda body: f"select {body}")
GAPS = st.sampled_from([";", " ;\n", "; -- it's; over\n", ";/* ' */", ";;\n\n"])


@given(st.lists(st.tuples(STATEMENTS, GAPS), max_size=8))
def test_splitting_loses_no_token(parts: list[tuple[str, str]]) -> None:
    text = "".join(f"{statement}{gap}" for statement, gap in parts)
    assert statements(text) == [statement for statement, _ in parts]


@given(st.lists(STATEMENTS, max_size=5))
def test_joining_and_splitting_again_changes_nothing(parts: list[str]) -> None:
    once = statements(";\n".join(parts))
    assert statements(";\n".join(once)) == once


@pytest.mark.parametrize(
    "part",
    ["(", ")", "'a' ", "a$", "$a", "/**/", ";", "E'a'\n", "1$", "case ", '"a"', "create ", "-", "a.end "],
)
@pytest.mark.parametrize("start", ["", "create function f() begin atomic "])
def test_time_grows_with_the_length_and_not_with_its_square(start: str, part: str) -> None:
    def seconds(count: int) -> float:
        begun = time.process_time()
        sum(1 for _ in split(start + part * count, "a.sql"))
        return time.process_time() - begun

    assert seconds(200_000) < 0.5 + 40 * seconds(20_000)
