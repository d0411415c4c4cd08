"""Our SQL has one way to a server: the functions of db/connections.py, which set where names are looked for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import reconciler

PACKAGE = Path(reconciler.__file__).parent
# What runs the statements of others, or commands that name databases, subscriptions and settings alone.
OTHER_WAYS = {
    "db/connections.py",
    "db/statements.py",  # a plan's, inside of `setting` or `session_setting`
    "scratch/privileges.py",  # a source's GRANT and REVOKE, in its path
    "source/loader.py",  # a source's; its own queries have all names qualified
    "scratch/database.py",  # CREATE and DROP DATABASE, which no transaction may hold
    "apply/locks.py",  # BEGIN and ROLLBACK of the lease
    "cli/demo.py",  # the demonstration's own server
    "embedded/server.py",
}
# Where `execute` or `transaction` is asked of a connection rather than called with one.
WAYS = {"execute", "transaction", "copy", "executemany", "pipeline", "stream"}
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("name", [name for name in FILES if name not in OTHER_WAYS])
def test_no_other_module_asks_a_connection_itself(name: str) -> None:
    tree = ast.parse((PACKAGE / name).read_text())
    found = [
        f"{name}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WAYS
        and _last_name(node.func.value).endswith("connection")
    ]
    assert not found, "use transaction, execute, cursor, fetch_one or fetch_all of reconciler.db.connections"


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
