"""Plans and checks as Markdown and HTML: small enough for where they go, equal changes together, names as they are."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import Options, Proof, Reconciler
from reconciler.cli.commands import run
from reconciler.report.html import check_html, plan_html
from reconciler.report.markdown import LIMIT, check_markdown, plan_markdown

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.one_server

_VOID = frozenset({"meta", "br", "hr"})


class _Page(HTMLParser):
    """The text of a page; fails where a tag is not closed, or what is not allowed in it is found."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "img", "iframe", "object", "form")
        for name, _ in attrs:
            assert name not in ("href", "src", "style")
            assert not name.startswith("on")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def _tables(count: int, columns: str) -> str:
    return "".join(f"create table t{number:04} ({columns});\n" for number in range(count))


def test_a_thousand_drifts_alike_are_one_entry(database: str) -> None:
    with Reconciler(database, options=Options(online=False)) as reconciler:
        reconciler.migrate(_tables(1000, "id int, v text"))
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                "do $$ begin for i in 0..999 loop execute format('alter table t%s drop column v, alter id type bigint',"
                " lpad(i::text, 4, '0')); end loop; end $$"
            )
        result = reconciler.check()
    markdown = check_markdown([result])
    assert len(markdown) < 5_000
    assert markdown.count("**drifted**") == 1
    assert "`table public.t0000`" in markdown
    assert "and 980 more" in markdown
    assert "  - `~` column id `bigint -> integer`" in markdown
    assert "  - `+` column v `text`" in markdown
    page = check_html([result])
    assert "1,000 drifted" in _Page(page).text
    assert len(page) < 50_000


def test_what_does_not_fit_is_counted(database: str) -> None:
    source = "".join(f"create table t{number:04} (id int, v{number} text);\n" for number in range(1500))
    with Reconciler(database, options=Options(online=False, proof=Proof.OFF)) as reconciler:
        planned = reconciler.plan(source)
    markdown = plan_markdown(planned)
    assert len(markdown) < LIMIT
    assert markdown.endswith("more objects do not fit here: `--format text` or `html` has all.\n")
    page = plan_html(planned)
    assert len(page) < 2_000_000
    assert "t1499" in _Page(page).text


def test_names_are_no_markup(database: str) -> None:
    name = "<script>alert(1)</script> | `x` @team [a](b) \u202e"
    quoted = '"' + name + '"'
    source = f"create table {quoted} (id int primary key); comment on table {quoted} is '<b>{name}</b>';"
    with Reconciler(database) as reconciler:
        planned = reconciler.plan(source)
        markdown, page = plan_markdown(planned), plan_html(planned)
    assert "\u202e" not in markdown + page
    assert "<script>" not in page
    assert "<script>alert(1)</script>" in _Page(page).text
    outside = "".join(part for position, part in enumerate(markdown.split("```")) if position % 2 == 0)
    assert "\n- `+` ``table public.<script>" in outside, "a name with a backtick stands between two"
    assert " @team" not in outside.replace("``table", "\0").split("\0")[0]


def test_the_command_prints_them(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.sql").write_text("create table a (id int);")

    def reconcile(*arguments: object) -> tuple[int, str]:
        code = run([*map(str, arguments), "--dsn", database])
        return code, capsys.readouterr().out

    code, markdown = reconcile("plan", tmp_path, "--format", "markdown")
    assert (code, markdown.startswith("### Plan for plugin `default`\n")) == (2, True)
    assert "<details><summary>1 statement</summary>" in markdown
    code, page = reconcile("plan", tmp_path, "--format", "html")
    assert (code, "Plan for plugin default" in _Page(page).text) == (2, True)
    assert reconcile("apply", tmp_path)[0] == 0
    assert reconcile("plan", tmp_path, "--format", "markdown")[1].startswith("**In sync:**")
    code, markdown = reconcile("check", tmp_path, "--format", "markdown")
    assert (code, "✓ plugin `default`: 2 in sync" in markdown) == (0, True)
    code, page = reconcile("check", "--all-plugins", "--format", "html")
    assert (code, "Plugin default" in _Page(page).text) == (0, True)
