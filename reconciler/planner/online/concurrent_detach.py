"""How a partition leaves its parent: without holding up who uses that, where the partition is large. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode, Stage
from reconciler.planner.core import online
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.sql.quoting import compose, joined, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.planner.core.context import Context

__all__ = ["detach"]


def detach(link: FactId, context: Context) -> Iterable[StatementDraft]:
    """The statements that detach it, or finish what an interrupted run began.

    DETACH ... CONCURRENTLY gives the partition a CHECK that says what its bounds said. It goes again at once; where a
    run was interrupted before that, the next plan finds and drops it.
    """
    child, parent = FactId("table", link.name[:2]), FactId("table", link.name[2:])
    alter = raw(compose("ALTER TABLE {} DETACH PARTITION {}", name(*parent.name), name(*child.name)))
    plain = compose("{}", alter)
    if context.old(link).get("detach_pending"):
        # Begun by an interrupted run; it waits for those who still see the partition, and so holds no other locks.
        stage = Stage.TOGETHER if context.online is None else Stage.BEFORE
        text = compose("{} FINALIZE", alter)
        yield StatementDraft(sql=text, rehearsal=plain, lock=LockMode.ACCESS_EXCLUSIVE, locks=child, stage=stage)
        return
    if not _detaches_online(link, child, parent, context):
        yield exclusive(plain, child)
        return
    yield StatementDraft(
        sql=compose("{} CONCURRENTLY", alter),
        rehearsal=plain,
        lock=LockMode.SHARE_UPDATE_EXCLUSIVE,
        locks=parent,
        stage=Stage.BEFORE,
        transactional=False,
    )
    checks = [literal(fact.name[2]) for fact in context.live.children.get(child, ()) if fact.kind == "constraint"]
    known = raw(compose("ARRAY[{}]::text[]", joined(checks)))
    body = compose(
        "DECLARE added name; BEGIN FOR added IN SELECT conname FROM pg_catalog.pg_constraint"
        " WHERE conrelid = {}::regclass AND contype = 'c' AND conname <> ALL ({})"
        " LOOP EXECUTE pg_catalog.format({}, added); END LOOP; END",
        literal(compose("{}", name(*child.name))),
        known,
        literal(compose("ALTER TABLE {} DROP CONSTRAINT %I", raw(compose("{}", name(*child.name)).replace("%", "%%")))),
    )
    text = compose("DO {}", literal(body))
    yield StatementDraft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=child, stage=Stage.BEFORE, brief=True)


def _detaches_online(link: FactId, child: FactId, parent: FactId, context: Context) -> bool:
    """Whether Postgres takes DETACH ... CONCURRENTLY here: both stay, and there is no default partition."""
    if link in context.creates or not online.changes_online(child, context) or not context.persists(parent):
        return False
    return not any(
        other.kind == "inheritance" and other.name[2:] == parent.name and context.old(other).get("bound") == "DEFAULT"
        for other in context.dependents.get(parent, ())
    )
