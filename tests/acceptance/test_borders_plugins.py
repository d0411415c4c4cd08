"""Several plugins in one database: a schema has one owner, and what another plugin recorded is never dropped.

A part of the matrix in docs/borders.md.
"""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from reconciler import ConfigError, Options, Reconciler, State, WhenBehind

ALL = Options(allow=frozenset({"all"}), when_behind=WhenBehind.APPLY)


@pytest.mark.one_server
@pytest.mark.parametrize("plugin", ["", "  ", "a\nb", "a\x1bb", "pg_stat", "PG_x"])
def test_a_name_that_no_plugin_can_have_is_an_error(database: str, plugin: str) -> None:
    with Reconciler(database) as reconciler, pytest.raises(ConfigError, match="cannot be the name of a plugin"):
        reconciler.migrate("CREATE TABLE t (id int)", plugin=plugin)


@pytest.mark.one_server
def test_a_schema_of_the_server_cannot_be_managed(database: str) -> None:
    options = Options(schemas=("pg_own",))
    with Reconciler(database) as reconciler, pytest.raises(ConfigError, match="'pg_own' cannot be managed"):
        reconciler.migrate("CREATE TABLE t (id int)", options=options)


@pytest.mark.one_server
def test_a_schema_has_one_owner_and_a_second_plugin_is_told_who(database: str) -> None:
    in_chat = replace(ALL, schemas=("chat",))
    with Reconciler(database, options=ALL) as reconciler:
        reconciler.migrate("CREATE TABLE first (id int)", plugin="@acme/chat")
        for options in (ALL, in_chat):  # derived, and named
            for plugin in ("chat", "plugin-chat"):
                with pytest.raises(ConfigError, match="schema chat is managed by plugin @acme/chat") as caught:
                    reconciler.migrate("CREATE TABLE second (id int)", plugin=plugin, options=options)
                assert "--share" in (caught.value.hint or "")

        # Shared in so many words: each has its own objects, and neither drops what the other, or nobody, recorded.
        shared = replace(in_chat, share=True)
        reconciler.migrate("CREATE TABLE second (id int)", plugin="other", options=shared)
        with psycopg.connect(database, autocommit=True) as somebody:
            somebody.execute("CREATE TABLE chat.nobodys (id int)")
        assert reconciler.plan("CREATE TABLE second (id int)", plugin="other", options=shared).plan.is_empty
        found = reconciler.plan("CREATE TABLE first (id int, more int)", plugin="@acme/chat")
        dropped = {fact.key for statement in found.plan.statements for fact in statement.drops}
        assert "table:chat.second" not in dropped
        assert "table:chat.nobodys" in dropped
        with pytest.raises(ConfigError, match=r"table chat\.first is recorded by plugin @acme/chat"):
            reconciler.plan("CREATE TABLE first (id int)", plugin="other", options=shared)
        # Who shares says so each time; the first one need not.
        with pytest.raises(ConfigError, match="is managed by plugin @acme/chat"):
            reconciler.check("CREATE TABLE second (id int)", plugin="other", options=in_chat)
        reconciler.migrate("CREATE TABLE first (id int, more int)", plugin="@acme/chat")
        assert {each.object.key: each.state for each in reconciler.check(plugin="other", options=shared).objects}[
            "table:chat.second"
        ] is State.IN_SYNC


@pytest.mark.one_server
def test_what_another_plugin_has_on_our_table_is_neither_drift_nor_dropped(database: str) -> None:
    users = "CREATE TABLE users (id int PRIMARY KEY, mail text)"
    audit = """
    CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
    CREATE TRIGGER audited AFTER INSERT ON public.users FOR EACH ROW EXECUTE FUNCTION seen();
    CREATE INDEX audit_mail ON public.users (mail);
    CREATE TABLE entries (user_id int REFERENCES public.users);
    """
    with Reconciler(database, options=ALL) as reconciler:
        reconciler.migrate(users)
        reconciler.migrate(audit, plugin="audit")
        assert reconciler.plan(users).plan.is_empty
        for found in (reconciler.check(users), reconciler.check()):
            unmanaged = {each.object.key for each in found.of(State.UNMANAGED)}
            assert unmanaged == {"trigger:public.users.audited", "index:public.users.audit_mail"}
            assert {each.state for each in found.objects} == {State.IN_SYNC, State.UNMANAGED}
        assert {each.state for each in reconciler.check(audit, plugin="audit").objects} == {State.IN_SYNC}
        # A change of the table carries both along.
        reconciler.migrate(users.replace("mail text", "mail varchar(9)").replace("id int", "id bigint"))
        assert reconciler.plan(audit, plugin="audit").plan.is_empty
        # And the plugin takes its own away again.
        reconciler.migrate("CREATE TABLE entries (id int)", plugin="audit")
        with psycopg.connect(database) as connection:
            row = connection.execute("SELECT count(*) FROM pg_trigger WHERE tgname = 'audited'").fetchone()
            assert row == (0,)
