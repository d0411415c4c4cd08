"""`reconciler demo`: the main job from beginning to end on a private Postgres that leaves nothing behind. Does I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from reconciler.cli.console import private_server
from reconciler.client import Reconciler
from reconciler.db.connections import connect
from reconciler.diff.drift import State
from reconciler.ledger.runs import RunKind
from reconciler.report.text import check_text, history_text, plan_text, result_text, status_text
from reconciler.source.reading import source_from_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.source.source import Source

__all__ = ["run_demo"]

_PLUGIN = "shop"
# The demo's data is thrown away, so nothing has to reach the disk.
_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_SCHEMA = """\
CREATE TYPE order_state AS ENUM ('open', 'paid', 'shipped');

CREATE TABLE customers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email      text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE orders (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
    state       order_state NOT NULL DEFAULT 'open',
    total       numeric(12, 2) NOT NULL CHECK (total >= 0),
    changed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_by_customer ON orders (customer_id, state);
COMMENT ON TABLE orders IS 'One row for each order';

CREATE VIEW open_orders AS
    SELECT o.id, c.email, o.total FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.state = 'open';

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER orders_touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();

ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_orders ON orders USING (customer_id = current_setting('shop.customer', true)::bigint);
"""
_MANUALLY = (
    "INSERT INTO shop.customers (email) VALUES ('ada@example.com'), ('grace@example.com')",
    "ALTER TABLE shop.customers ALTER COLUMN email DROP NOT NULL",
    "DROP INDEX shop.orders_by_customer",
)
_NEXT_SCHEMA = _SCHEMA.replace("'open', 'paid', 'shipped'", "'open', 'paid', 'packed', 'shipped'").replace(
    "    created_at timestamptz NOT NULL DEFAULT now()",
    "    name       text,\n    created_at timestamptz NOT NULL DEFAULT now()",
)


def run_demo(show: Callable[[str], None]) -> None:
    """Runs all steps; `show` prints what it is given. Raises ReconcilerError where a step fails."""
    began = time.monotonic()
    show("== 1. Start a private Postgres; it is gone when the demo ends\n")
    with private_server()(None, settings=_SETTINGS) as server:
        show(f"Postgres {server.server_version // 10_000}.{server.server_version % 10_000} runs.\n\n")
        dsn = server.create_database("demo")
        with Reconciler(dsn) as reconciler:
            _declare(reconciler, show)
            _drift(reconciler, dsn, show)
            _change(reconciler, show)
    show(f"Done in {time.monotonic() - began:.1f} s; the server and its data are gone.\n")


def _declare(reconciler: Reconciler, show: Callable[[str], None]) -> None:
    show(f"== 2. Declare a schema\n{_SCHEMA}\n")
    show("== 3. Apply it: planned, rehearsed in scratch, applied and recorded in one transaction\n")
    show(result_text(reconciler.migrate(_source(_SCHEMA), plugin=_PLUGIN), "applied"))
    show("\n== 4. Status, from the ledger in the database itself\n")
    show(status_text(reconciler.status(plugin=_PLUGIN)))


def _drift(reconciler: Reconciler, dsn: str, show: Callable[[str], None]) -> None:
    show("\n== 5. Somebody changes the live database manually\n")
    with connect(dsn, autocommit=True) as connection:
        for statement in _MANUALLY:
            show(f"{statement};\n")
            connection.execute(statement.encode())
    show("\n== 6. Check: recorded, live and declared side by side\n")
    found = reconciler.check(_source(_SCHEMA), plugin=_PLUGIN)
    _expect(bool(found.of(State.DRIFTED)), "the drift was not found")
    show(check_text(found))
    show("\n== 7. Repair: change what drifted back to the declaration; rows stay\n")
    planned = reconciler.plan_repair(_source(_SCHEMA), plugin=_PLUGIN)
    show(result_text(reconciler.apply(planned, kind=RunKind.REPAIR), "repaired"))
    again = reconciler.check(_source(_SCHEMA), plugin=_PLUGIN)
    _expect(not again.has_drift, "the repair left drift behind")
    show(f"\nChecked again:\n{check_text(again)}")


def _change(reconciler: Reconciler, show: Callable[[str], None]) -> None:
    show("\n== 8. Change the declaration: a new enum value in the middle, a new column in the middle; plan\n")
    planned = reconciler.plan(_source(_NEXT_SCHEMA), plugin=_PLUGIN)
    show(plan_text(planned, details=True))
    show("== 9. Apply exactly that plan\n")
    show(result_text(reconciler.apply(planned), "applied"))
    again = reconciler.migrate(_source(_NEXT_SCHEMA), plugin=_PLUGIN)
    _expect(not again.statements, "a second apply found something to do")
    show(f"\nApplied again:\n{result_text(again, 'applied')}")
    show("\n== 10. History\n")
    show(f"{history_text(reconciler.history())}\n")


def _source(text: str) -> Source:
    return source_from_text(text, "shop.sql")


def _expect(truth: bool, otherwise: str) -> None:
    if not truth:
        raise AssertionError(otherwise)
