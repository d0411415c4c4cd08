"""What guards rows (policies, rules, triggers) neither costs a value nor acts when our statements move or fill them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler.client import Reconciler
from reconciler.db.connections import connect
from reconciler.errors import PlanError
from reconciler.model.hazards import HazardKind
from reconciler.options import Options, Proof

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg.rows import TupleRow

pytestmark = pytest.mark.one_server


OWNER = "guards_of_rows"
FUNCTIONS = """
create table audit (id int generated always as identity, what text);
create function skip() returns trigger language plpgsql as $$ begin return null; end $$;
create function touch() returns trigger language plpgsql as $$ begin new.stamp := 'touched'; return new; end $$;
create function wipe() returns trigger language plpgsql as $$ begin new.v := null; return new; end $$;
create function refuse() returns trigger language plpgsql as $$ begin raise 'append only'; end $$;
create function log() returns trigger language plpgsql as $$
    begin insert into public.audit (what) values (tg_op); return null; end $$;
"""
ROW = "create trigger {name} {timing} insert or update or delete on {{t}} for each row execute function {function}();"
STATEMENT = (
    "create trigger refuse before insert or update or delete on {t} for each statement execute function refuse();"
)
SKIP = ROW.format(name="a_skip", timing="before", function="skip")
FORCE = "alter table {t} enable row level security; alter table {t} force row level security;"
RULE = "create rule r as on {event} to {{t}} do {what};"
EVENTS = ("insert", "update", "delete")
GUARDS = {
    "nothing": "",
    "forced": FORCE + "create policy p on {t} using (k = current_setting('app.k', true));",
    "forced_closed": FORCE,
    **{f"instead_{event}": RULE.format(event=event, what="instead nothing") for event in EVENTS},
    **{
        f"also_{event}": RULE.format(event=event, what="also insert into audit (what) values ('r')") for event in EVENTS
    },
    "always_rule": RULE.format(event="update", what="instead nothing") + "alter table {t} enable always rule r;",
    "no_rule": RULE.format(event="update", what="instead nothing") + "alter table {t} disable rule r;",
    "skipping": SKIP,
    "always": SKIP + "alter table {t} enable always trigger a_skip;",
    "replica": SKIP + "alter table {t} enable replica trigger a_skip;",
    "disabled": SKIP + "alter table {t} disable trigger a_skip;",
    "last": ROW.format(name='"~~skip"', timing="before", function="skip"),
    "wiping": 'create trigger "ü" before insert or update on {t} for each row execute function wipe();',
    "touching": "create trigger touch before insert or update on {t} for each row execute function touch();",
    "logging": ROW.format(name="log", timing="after", function="log"),
    "refusing": STATEMENT,
}
PLAIN = "create table {t} (id int not null primary key, k text not null, v int, n int, stamp text);"
PARTED = (
    "create table {t} (id int not null primary key, k text not null, v int, n int, stamp text) partition by range (id);"
    "create table {t}_1 partition of {t} for values from (0) to ({bound});"
    "create table {t}_2 partition of {t} for values from ({bound}) to (1000);"
)
PARENT = (
    "create table {t} (id int not null primary key, k text not null, v int, n int, stamp text);"
    "create table {t}_child (id int not null, k text not null) inherits ({t});"
)
FILLED = "v int, s text not null, -- reconciler: backfill 'x' || id\n"
# What is there, what is declared then, and the columns that must hold what they held or what was asked for.
CHANGES = {
    "type": (PLAIN, PLAIN.replace("v int", "v bigint"), "null"),
    "new_column": (PLAIN, PLAIN.replace("v int,", FILLED), "s is distinct from 'x' || id"),
    "required": (
        PLAIN,
        PLAIN.replace("n int,", "n int not null, -- reconciler: backfill 7\n"),
        "n is distinct from 7",
    ),
    "identity": (
        PLAIN.replace(" primary key", ""),
        PLAIN.replace(" primary key", "").replace("n int,", "n int, i bigint generated always as identity,"),
        "i is null",
    ),
    "partitioned": (PLAIN, PARTED.replace("{bound}", "100"), "null"),
    "unpartitioned": (PARTED.replace("{bound}", "100"), PLAIN, "null"),
    "bounds": (PARTED.replace("{bound}", "100"), PARTED.replace("{bound}", "50"), "null"),
    "filled_partitions": (
        PARTED.replace("{bound}", "100"),
        PARTED.replace("{bound}", "100").replace("v int,", FILLED),
        "s is distinct from 'x' || id",
    ),
    "type_of_partitions": (
        PARTED.replace("{bound}", "100"),
        PARTED.replace("{bound}", "100").replace("v int", "v bigint"),
        "null",
    ),
    "filled_children": (PARENT, PARENT.replace("v int,", FILLED), "s is distinct from 'x' || id"),
}
STATES = """
select array(select (tgrelid::regclass, tgname, tgenabled)::text from pg_trigger where not tgisinternal order by 1),
    array(select (ev_class::regclass, rulename, ev_enabled)::text from pg_rewrite where rulename <> '_RETURN' order by 1),
    array(select (oid::regclass, relrowsecurity, relforcerowsecurity)::text from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by 1)
"""


@pytest.fixture
def admin(database: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection to a database that a role without any special right owns."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("create role {} login createdb password 'x'").format(sql.Identifier(OWNER)))
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("alter database {} owner to {}").format(name, sql.Identifier(OWNER)))
        connection.execute(sql.SQL("alter schema public owner to {}").format(sql.Identifier(OWNER)))
        yield connection
        connection.execute(sql.SQL("reassign owned by {} to current_user").format(sql.Identifier(OWNER)))
        connection.execute(sql.SQL("drop owned by {}").format(sql.Identifier(OWNER)))
        connection.execute(sql.SQL("drop role {}").format(sql.Identifier(OWNER)))


@pytest.fixture
def as_role(database: str, admin: psycopg.Connection) -> Callable[[str], str]:
    """The URL of the database for a superuser or its owner."""
    return lambda role: database if role == "superuser" else make_conninfo(database, user=OWNER, password="x")


def _declared(table: str) -> str:
    texts = (f"{table}\n{guard}".replace("{t}", name) for name, guard in GUARDS.items())
    return FUNCTIONS + "\n".join(texts)


def _fill(admin: psycopg.Connection) -> None:
    """300 rows in each table, which no guard keeps out."""
    admin.execute("set session_replication_role = replica")
    for name in GUARDS:
        rule = name.removeprefix("instead_") == "insert" or name == "also_insert"
        if rule:
            admin.execute(f"alter table {name} disable rule r".encode())
        if name == "always":
            admin.execute("alter table always disable trigger a_skip")
        if name == "replica":
            admin.execute("alter table replica disable trigger a_skip")
        places = admin.execute("select count(*) from pg_class where relname = %s", (f"{name}_child",)).fetchone()
        for table, first, last in [(name, 0, 199), (f"{name}_child" if places == (1,) else name, 200, 299)]:
            rows = f"insert into {table} select g, 'k' || g % 3, g, null, 's' from generate_series({first}, {last}) g"
            admin.execute(rows.encode())
        if rule:
            admin.execute(f"alter table {name} enable rule r".encode())
        if name == "always":
            admin.execute("alter table always enable always trigger a_skip")
        if name == "replica":
            admin.execute("alter table replica enable replica trigger a_skip")
    admin.execute("reset session_replication_role")


def _values(admin: psycopg.Connection) -> dict[str, TupleRow | None]:
    """What a superuser reads in each table: number of rows, and all values that were there."""
    query = "select count(*), md5(string_agg((id, k, v::text, stamp)::text, ';' order by id)) from {}"
    return {name: admin.execute(query.format(name).encode()).fetchone() for name in GUARDS}


@pytest.mark.parametrize("online", [True, False], ids=["online", "plain"])
@pytest.mark.parametrize("role", ["superuser", "owner"])
@pytest.mark.parametrize("change", CHANGES)
def test_all_values_arrive_whatever_guards_the_table_and_nothing_of_the_users_acts(
    admin: psycopg.Connection, as_role: Callable[[str], str], change: str, role: str, online: bool
) -> None:
    before, after, wrong = CHANGES[change]
    with Reconciler(as_role(role), options=Options(online=online)) as reconciler:
        reconciler.migrate(_declared(before), options=Options(proof=Proof.OFF))
        _fill(admin)
        values, states = _values(admin), admin.execute(STATES).fetchone()
        result = reconciler.migrate(_declared(after), allow_data_loss=True)
        assert result.idx == 1
        assert reconciler.plan(_declared(after)).plan.is_empty
    assert _values(admin) == values
    for name in GUARDS:
        found = admin.execute(f"select count(*) from {name} where {wrong}".encode()).fetchone()
        assert found == (0,), name
    assert admin.execute("select count(*) from audit").fetchone() == (0,), "no trigger or rule of the user's acts"
    if change not in ("partitioned", "unpartitioned", "bounds"):
        assert admin.execute(STATES).fetchone() == states, "each guard is as it was"


STATE = "(select tgenabled::text from pg_trigger where tgrelid = '{}'::regclass and tgname = 'touch')"
TOUCHED = "create trigger touch before insert or update on {t} for each row execute function touch();"


def test_what_decides_between_batches_and_one_transaction_is_named(
    admin: psycopg.Connection, as_role: Callable[[str], str]
) -> None:
    before, after, _ = CHANGES["type"]
    with Reconciler(as_role("owner"), options=Options(online=True)) as reconciler:
        reconciler.migrate(_declared(before))
        plan = reconciler.plan(_declared(after)).plan
    batched = {str(each.batched) for each in plan.statements if each.batched is not None}
    own = {"nothing", "no_rule", "disabled", "replica"}
    inserts_or_deletes = {f"{kind}_{event}" for kind in ("instead", "also") for event in ("insert", "delete")}
    assert batched == {f"table public.{name}" for name in own | inserts_or_deletes}
    reasons = {str(hazard.fact): hazard.message for hazard in plan.hazards if "not in steps" in hazard.message}
    blunt = "acts on what is written, as this role may not set session_replication_role"
    assert "policy public.forced.p applies to this role on table public.forced" in reasons["table public.forced"]
    assert "row security without a policy applies" in reasons["table public.forced_closed"]
    assert "rule public.instead_update.r" in reasons["table public.instead_update"]
    assert f"trigger public.touching.touch {blunt}" in reasons["table public.touching"]
    assert reasons["table public.always"].endswith("trigger public.always.a_skip acts on what is written)")
    assert "trigger public.wiping.ü fires after" in reasons["table public.wiping"]


@pytest.mark.parametrize("online", [True, False], ids=["online", "plain"])
def test_a_hint_has_the_triggers_fire_and_the_plan_tells_which_for_how_many_rows(
    admin: psycopg.Connection, as_role: Callable[[str], str], online: bool
) -> None:
    guard = TOUCHED.replace("{t}", "t")
    before, after = (text.replace("{t}", "t") for text in CHANGES["new_column"][:2])
    after = after.replace("|| id", "|| id firing triggers")
    with Reconciler(as_role("owner"), options=Options(online=online)) as reconciler:
        reconciler.migrate(FUNCTIONS + before + guard)
        admin.execute("insert into t (id, k) select g, g from generate_series(1, 50) g")
        admin.execute("update t set stamp = 'old'; analyze t")
        plan = reconciler.plan(FUNCTIONS + after + guard).plan
        told = [hazard.message for hazard in plan.hazards if hazard.kind is HazardKind.FIRES_TRIGGERS]
        assert told == [
            "trigger public.t.touch fires for about 50 rows of table public.t that the plan writes, as the hint asks for"
        ]
        assert any(each.batched for each in plan.statements) == online
        reconciler.migrate(FUNCTIONS + after + guard)
    assert admin.execute("select count(*) from t where stamp = 'touched' and s = 'x' || id").fetchone() == (50,)


def test_each_part_of_a_trigger_is_restored_as_it_was_and_deferred_keys_are_checked(
    admin: psycopg.Connection, as_role: Callable[[str], str]
) -> None:
    text = (
        FUNCTIONS
        + """
        create table other (id int primary key);
        create table t (id int not null, stamp text, o int references other deferrable initially deferred)
            partition by range (id);
        create table t_1 partition of t for values from (0) to (10) partition by range (id);
        create table t_11 partition of t_1 for values from (0) to (5);
        create table t_12 partition of t_1 for values from (5) to (10);
        create table t_2 partition of t for values from (10) to (20);
        create trigger touch before insert or update on t for each row execute function touch();
        alter table t enable always trigger touch;
        alter table t_1 enable trigger touch;
        alter table t_12 disable trigger touch;
    """
    )
    after = (
        text.replace("deferred)", "deferred, s text not null)")
        .replace("s text not null)", "s text not null -- reconciler: backfill 'x' || id\n)")
        .replace("o int references", "o int not null /* reconciler: backfill 1 */ references")
    )
    query = "select " + ", ".join(STATE.format(table) for table in ("t", "t_1", "t_11", "t_12", "t_2"))
    with Reconciler(as_role("owner"), options=Options(online=False)) as reconciler:
        reconciler.migrate(text)
        admin.execute("set session_replication_role = replica")
        admin.execute("alter table t disable trigger touch; insert into t select g from generate_series(1, 19) g")
        admin.execute("alter table t enable always trigger touch; alter table t_1 enable trigger touch")
        admin.execute("alter table t_12 disable trigger touch; insert into other values (1)")
        assert admin.execute(query.encode()).fetchone() == ("A", "O", "O", "D", "A")
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
    assert admin.execute(query.encode()).fetchone() == ("A", "O", "O", "D", "A")
    assert admin.execute("select count(*), count(stamp), count(o), count(s) from t").fetchone() == (19, 0, 19, 19)


def test_what_this_role_may_not_disable_is_named_before_anything_happens(
    admin: psycopg.Connection, as_role: Callable[[str], str]
) -> None:
    before = FUNCTIONS + "create table t (id int primary key, v int);"
    after = before.replace("v int", "v int, s int not null -- reconciler: backfill (select max(id) from hidden)\n")
    child = FUNCTIONS + "create table par (id int primary key, stamp text, n int);"
    filled = child.replace("n int", "n int not null -- reconciler: backfill 3\n")
    with Reconciler(as_role("owner"), options=Options(online=False)) as reconciler:
        reconciler.migrate(before)
        admin.execute("create table hidden (id int); alter table hidden enable row level security")
        admin.execute("create policy mine on hidden using (id < 3)")
        admin.execute(sql.SQL("grant select on hidden to {}").format(sql.Identifier(OWNER)))
        with pytest.raises(PlanError, match=r"policy public.hidden.mine applies to this role on table public.hidden"):
            reconciler.plan(after)
        reconciler.migrate(child, allow_data_loss=True)
        admin.execute("create table kid (stamp2 text) inherits (par)")
        admin.execute(TOUCHED.replace("{t}", "kid").encode())
        admin.execute("insert into kid (id) values (1)")
        reconciler.options = Options(online=False, proof=Proof.OFF)
        plan = reconciler.plan(filled).plan
        told = [hazard.message for hazard in plan.hazards if hazard.kind is HazardKind.FIRES_TRIGGERS]
    assert len(told) == 1
    assert told[0].startswith("trigger public.kid.touch fires for")
    assert told[0].endswith("as this role does not own the table and cannot disable it")


def test_a_connection_that_is_handed_in_keeps_its_row_security(
    database: str, admin: psycopg.Connection, as_role: Callable[[str], str]
) -> None:
    text = PLAIN.replace("{t}", "t")
    setting = "select current_setting('row_security')"
    with psycopg.connect(as_role("owner")) as connection:
        with Reconciler(connection) as reconciler:
            reconciler.migrate(text)
        assert connection.execute(setting).fetchone() == ("on",)
    with connect(as_role("owner")) as ours:
        assert ours.execute(setting).fetchone() == ("off",)
