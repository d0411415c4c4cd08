"""Builds the desired state in the scratch that can hold it. Does I/O in scratch only."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from psycopg import sql

from reconciler.catalog.snapshot_reader import managed_schemas, read_snapshot
from reconciler.db.connections import connect, current_user, execute, fetch_all, transaction
from reconciler.db.ledger_schema import ledger_schema
from reconciler.diff.goal import SETTING_KINDS, Desired
from reconciler.diff.kept import KeptDeclaration, desired_from_text
from reconciler.diff.privileges import Said
from reconciler.errors import ConfigError, ReconcilerError, ScratchError, SourceError
from reconciler.ledger.schema import LONGEST_WAIT_MS, TABLES
from reconciler.model.facts import DATABASE_WIDE_KINDS, RELATION_KINDS, FactId
from reconciler.scratch.choice import choose_scratch
from reconciler.scratch.database import DatabaseScratch
from reconciler.scratch.environment import substitutes
from reconciler.scratch.kept import key_of_build
from reconciler.scratch.outsiders import read_outsiders, refuse_called, taken
from reconciler.scratch.place import PREFIX
from reconciler.scratch.privileges import defaults_apart, read_unmanaged, said_of_privileges, unmanaged_notes
from reconciler.scratch.reach import guarded, read_reach, refuse_reach
from reconciler.scratch.schema import SchemaScratch
from reconciler.source.declared import declared_by
from reconciler.source.loader import load
from reconciler.source.places import created_beside, statement_about
from reconciler.source.screening import leading_keywords
from reconciler.source.source import DatabaseSource, Source
from reconciler.sqltext.lexer import tokens
from reconciler.sqltext.subjects import extension_clauses, subject_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reconciler.db.connections import Connection
    from reconciler.diff.goal import Scope
    from reconciler.model.snapshot import Snapshot
    from reconciler.scratch.outsiders import Outsider
    from reconciler.scratch.place import Place, Scratch
    from reconciler.source.declared import Declared
    from reconciler.source.loader import LoadGuard
    from reconciler.source.reach import Reach
    from reconciler.source.source import AnySource, SourceStatement

# What no statement of a source creates.
_FOLLOWING_LIVE = SETTING_KINDS | {"default_privileges"}

__all__ = ["DeclaredBesideError", "build", "build_anywhere", "created_schemas"]

_OF_LEDGER = frozenset(name for table in TABLES for name in (table, f"{table}_id_seq"))
_NOT_THERE = "declare it in another schema, or create it manually: reconciler leaves other tables there alone"
_MOVE_LEDGER = "let the ledger be in another one (--ledger-schema)"
_TAKE_OVER = (
    "the existing object is in a schema that is not managed here: write the schema before its name in the CREATE"
    " statement and it is taken over, or IF NOT EXISTS and it is left alone"
)
_OUTSIDE = (
    "the existing object is outside the managed schemas: name its schema with --schema,"
    " or build elsewhere with --scratch database or --scratch postgresql://..."
)
# What can be said of an object that is not declared: its definition stays as it is.
_ADDED_TO_OTHERS = frozenset({"comment", "privileges", "security_label"})


class DeclaredBesideError(ScratchError):
    """The source declares something in a schema that is not managed, and the live database is no place to build it."""

    def __init__(self, fact: FactId) -> None:
        super().__init__(
            f"{fact} is declared in a schema that is not managed here, and so must be built in a temporary database",
            hint="let this role create one (ALTER ROLE ... CREATEDB), or name a server with --scratch postgresql://...",
            left="nothing was changed",
        )


def build_anywhere(
    live: Connection,
    asked: str,
    source: AnySource,
    scope: Scope,
    recorded: Snapshot | None,
    *,
    dsn: str,
    with_rows: bool = False,
    wait_ms: int = LONGEST_WAIT_MS,
    load_kept: Callable[[str], str | None] = lambda _: None,
    observing: Callable[[Place, LoadGuard | None], LoadGuard | None] = lambda _, guard: guard,
) -> tuple[Scratch, Desired, KeptDeclaration | None]:
    """The desired state, built in the scratch for `asked`, and that scratch.

    Nothing is built where `load_kept` gives what was built under the same key; else the last is what to keep.

    The schemas that the source creates, or created when it was recorded, are renamed out of the way with those of the
    scope. Where `auto` meets something that cannot be renamed in the live database, for example a publication, or what
    is declared in a schema that is not managed, a temporary database is used. `with_rows`: plans are rehearsed with
    rows there. Another plan in the live database is waited for `wait_ms` (0: no limit). `observing` gives a guard that
    sees each statement as it runs in the place. Raises ScratchError or SourceError.
    """
    _refuse_ledger(source, scope, ledger_schema(live))
    past = recorded.schemas if recorded else ()
    named = created_schemas(source)
    declared = declared_by(source)
    claimed = () if scope.all_schemas else tuple(sorted({*past, *named} - {*scope.schemas}))
    wider = replace(scope, schemas=(*scope.schemas, *claimed))
    own = frozenset(fact for fact in recorded or () if fact.kind in DATABASE_WIDE_KINDS) | declared.created
    beside = _declared_beside(source, recorded, wider, live)
    own |= beside
    statements = len(source.statements) if isinstance(source, Source) else 0
    reach = read_reach(live, source, wider.schemas, with_rows=with_rows)
    refuse_reach(reach)
    outsiders = read_outsiders(live, source, wider.schemas)
    scratch = choose_scratch(
        live,
        asked,
        wider,
        dsn=dsn,
        statements=statements,
        own=own,
        reach=reach,
        wait_ms=wait_ms,
        beside=min(beside, default=None),
        hiding=next((each for each in outsiders if each.hides_system), None),
    )
    refuse_called(source, reach, outsiders, in_live=isinstance(scratch, SchemaScratch))
    build_in = partial(
        build,
        source=source,
        scope=scope,
        claimed=claimed,
        named=named,
        reach=reach,
        beside=beside,
        declared=declared,
        own=own,
        outsiders=outsiders,
        observing=observing,
    )
    key = None
    if isinstance(source, Source):
        key = key_of_build(live, source, wider, reach, kind=scratch.kind, claimed=claimed, own=own, beside=beside)
    if key is not None and (kept := _kept(load_kept(key))) is not None:
        return scratch, kept, None
    try:
        desired = build_in(scratch)
        return scratch, desired, None if key is None else KeptDeclaration(key=key, desired=desired)
    except SourceError as error:
        _tell_of_lacking(error, scratch)
        if error.finds_existing and not isinstance(scratch, SchemaScratch):
            error.hint = error.hint or _held_by_another(live, beside) or _TAKE_OVER
        if not error.finds_existing or not isinstance(scratch, SchemaScratch):
            raise
        error.hint = _OUTSIDE
        if asked != "auto":
            raise
        try:
            scratch = choose_scratch(live, "database", wider, dsn=dsn, own=own)
        except ReconcilerError as refused:
            raise error from refused
        scratch.why = (
            "the source declares something outside the managed schemas that already exists in the live database"
        )
    except DeclaredBesideError as error:
        if asked != "auto":
            raise
        try:
            scratch = choose_scratch(live, "database", wider, dsn=dsn, own=own)
        except ReconcilerError as refused:
            raise error from refused
        scratch.why = "the source declares something in a schema that is not managed"
    try:
        return scratch, build_in(scratch), None
    except SourceError as error:
        _tell_of_lacking(error, scratch)
        raise


def _tell_of_lacking(error: SourceError, scratch: Scratch) -> None:
    """What needs an extension that could not be created in the temporary database fails there."""
    if isinstance(scratch, DatabaseScratch) and scratch.lacking:
        text = (
            f"this role may not create {', '.join(scratch.lacking)} in a temporary database ({scratch.why}), so what"
            " needs that cannot be built there: name a server where it may, with --scratch postgresql://..."
        )
        error.hint = f"{error.hint}; {text}" if error.hint else text


def _kept(text: str | None) -> Desired | None:
    """The desired state that was kept; None where there is none, or a program of another form wrote it."""
    try:
        return None if text is None else desired_from_text(text)
    except (ValueError, LookupError, TypeError):
        return None


def _refuse_ledger(source: AnySource, scope: Scope, ledger: str) -> None:
    """Raises ConfigError or SourceError where the ledger's schema is to be managed, or holds what is declared."""
    if not scope.all_schemas and ledger in scope.schemas:
        raise ConfigError(
            f"schema {ledger} holds the ledger, and cannot be managed",
            hint=f"name another schema with --schema, or {_MOVE_LEDGER}",
        )
    if isinstance(source, DatabaseSource):
        return
    for fact in sorted(created_beside(source, {ledger})):
        if fact.name[1] not in _OF_LEDGER:
            raise SourceError(
                f"{statement_about(source, fact)}: {fact} is declared in schema {ledger}, which holds the ledger, and"
                " is not managed",
                hint=f"{_NOT_THERE}, or {_MOVE_LEDGER}",
                left="nothing was changed",
            )


def _held_by_another(live: Connection, beside: frozenset[FactId]) -> str | None:
    """What to do where a relation that is declared has the name of one of another kind."""
    named = sorted({fact.name for fact in beside if fact.kind in RELATION_KINDS and len(fact.name) == 2})
    rows = fetch_all(
        live,
        "select i.type, n.nspname::text, c.relname::text from pg_catalog.pg_class c"
        " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, c.oid, 0) i"
        " join unnest(%s::text[], %s::text[]) g(schema, name) on g.schema = n.nspname and g.name = c.relname"
        " order by 2, 3",
        ([schema for schema, _ in named], [name for _, name in named]),
    )
    for kind, schema, name in rows:
        if FactId(str(kind).replace(" ", "_"), (schema, name)) not in beside:
            return f"{kind} {schema}.{name} holds the name: rename or drop it, or declare yours under another one"
    return None


def _declared_beside(source: AnySource, recorded: Snapshot | None, scope: Scope, live: Connection) -> frozenset[FactId]:
    """What is recorded in schemas that are not managed, and what the source creates there by its words."""
    if scope.all_schemas or not isinstance(source, Source):
        return frozenset()
    known = frozenset(fact for fact in recorded or () if fact.schema not in {None, *scope.schemas})
    return known | created_beside(source, frozenset(managed_schemas(live)).difference(scope.schemas))


def created_schemas(source: AnySource) -> frozenset[str]:
    """The schemas that CREATE SCHEMA statements of the source name, but for those that IF NOT EXISTS leaves open."""
    if isinstance(source, DatabaseSource):
        return frozenset()
    found: set[str] = set()
    for statement in source.statements:
        if leading_keywords(statement.sql)[:2] == ("CREATE", "SCHEMA"):
            words = [token.text for token in islice(tokens(statement.sql), 6)]
            if [word.upper() for word in words[2:5]] == ["IF", "NOT", "EXISTS"]:
                continue
            name = words[3] if len(words) > 3 and words[2].upper() == "AUTHORIZATION" else words[2]
            found.add(name[1:-1].replace('""', '"') if name.startswith('"') else name.lower())
    return frozenset(found)


def build(
    scratch: Scratch,
    source: AnySource,
    scope: Scope,
    *,
    claimed: Sequence[str] = (),
    named: frozenset[str] = frozenset(),
    reach: Reach,
    beside: frozenset[FactId] = frozenset(),
    declared: Declared | None = None,
    own: frozenset[FactId] = frozenset(),
    outsiders: tuple[Outsider, ...] = (),
    observing: Callable[[Place, LoadGuard | None], LoadGuard | None] = lambda _, guard: guard,
) -> Desired:
    """The desired state: what Postgres makes of the source in a fresh place.

    `claimed` are schemas beyond the scope that are fresh in the place as well; one counts where the source named it in
    a CREATE SCHEMA (`named`) or made something in it. `reach` is what the source may do beyond its schemas, `outsiders`
    what it may take of others, `own` what of the database as a whole was recorded or is created by it, `declared` what
    its words say of that; `beside` is what is known to be declared in schemas that are not managed: what the source
    makes there is desired too.

    Raises SourceError with file and line where Postgres refuses it, or where it changes what others have in such a
    schema; DeclaredBesideError where the place is in the live database and cannot hold what is declared there.
    """
    if isinstance(source, DatabaseSource):
        with connect(source.url) as connection, transaction(connection):
            execute(connection, "set transaction read only")
            schemas = managed_schemas(connection) if scope.all_schemas else scope.schemas
            snapshot = read_snapshot(connection, schemas, dependencies=True)
            return Desired(snapshot=snapshot, baseline={}, builder=current_user(connection))
    with scratch.fresh() as place:
        connection = place.connection
        path = _prepare(connection, scope)
        before = managed_schemas(connection)
        baseline = place.read(before if scope.all_schemas else scope.schemas)
        ledger = ledger_schema(connection)
        beyond = {*before, ledger}.difference(scope.schemas, claimed)
        around = () if scope.all_schemas else _mentioned(source, beyond)
        theirs = place.read(around) if around else None
        if place.transactional and beside:
            raise DeclaredBesideError(min(beside))
        with guarded(connection, source, reach, transactional=place.transactional) as confining:
            guard = observing(place, confining)
            unmanaged = read_unmanaged(connection, source)
            before_load = taken(connection, outsiders)
            first, defaults = (source, None) if scope.exact else defaults_apart(source)
            _load(place, first, baseline, own, path, guard)
            if defaults is not None:
                load(connection, defaults, transactional=place.transactional, path=path, guard=guard)
            notes = (
                *unmanaged_notes(source, unmanaged, read_unmanaged(connection, source)),
                *_kept_extensions(source, baseline, own),
                *(before_load.notes(connection, source) if before_load is not None else ()),
            )
        present = managed_schemas(connection)
        made = tuple(schema for schema in present if schema not in before or schema in claimed)
        schemas = present if scope.all_schemas else (*scope.schemas, *made)
        snapshot = place.read((*schemas, *around), dependencies=True)
        if theirs is not None:
            added = _added_beside(snapshot, theirs, around, source, scope, ledger)
            if place.transactional and added:
                raise DeclaredBesideError(min(added))
            inside = snapshot.limited(tuple(schemas), ())
            snapshot = inside.with_facts({**inside.facts, **{fact: snapshot.facts[fact] for fact in added}})
        said = Said() if scope.exact else said_of_privileges(place, source, snapshot, path)
        snapshot = _without_unmade(snapshot, frozenset(claimed) & frozenset(before) - named)
    known: frozenset[FactId] = frozenset()
    if place.transactional:
        snapshot, baseline = _apart(snapshot, baseline, frozenset(made).difference(before, claimed), connection)
        wide = DATABASE_WIDE_KINDS - _FOLLOWING_LIVE
        known = frozenset(fact for fact in own if fact.kind in wide and fact in snapshot.facts)
        given_up = {fact for fact in known if snapshot.facts[fact] == baseline.facts.get(fact)}
        given_up = {fact for fact in given_up if declared is None or not declared.may_name(fact)}
        snapshot = snapshot.without({fact for fact in snapshot.facts if snapshot.object_of(fact) in given_up})
    desired = Desired(
        snapshot=snapshot,
        baseline=baseline.facts,
        builder=place.user,
        named=known & snapshot.facts.keys(),
        said=said,
        notes=notes,
    )
    return replace(desired, snapshot=replace(snapshot, granted=desired.granted))


def _load(
    place: Place,
    source: Source,
    baseline: Snapshot,
    own: frozenset[FactId],
    path: Sequence[str],
    guard: LoadGuard | None,
) -> None:
    """Runs the source. In the live database an extension of its own, which is there, becomes as it declares it."""
    known = _with_extensions_of(baseline, source, own) if place.transactional else source
    try:
        load(place.connection, known, transactional=place.transactional, path=path, guard=guard)
    except SourceError as error:
        # An extension may be one that cannot be moved or updated; a temporary database begins without it.
        error.finds_existing |= known is not source
        raise


def _with_extensions_of(place: Snapshot, source: Source, own: frozenset[FactId]) -> Source:
    """The source where what creates an extension that the place has moves or updates it instead."""
    statements: list[SourceStatement] = []
    for statement in source.statements:
        changes = [statement]
        if leading_keywords(statement.sql)[:2] == ("CREATE", "EXTENSION"):
            subject = subject_of(statement.sql)
            fact = FactId("extension", subject.name) if subject is not None else None
            if fact is not None and fact in own and fact in place.facts:
                changes = [replace(statement, sql=text) for text in _changes(fact, place, statement.sql)] or changes
        statements += changes
    return source if statements == [*source.statements] else replace(source, statements=tuple(statements))


def _changes(extension: FactId, place: Snapshot, created: str) -> Iterable[str]:
    now, wanted, name = place.definition(extension), extension_clauses(created), sql.Identifier(*extension.name)
    schema, version = wanted.get("schema", now["schema"]), wanted.get("version", now["version"])
    if schema != now["schema"]:
        yield sql.SQL("ALTER EXTENSION {} SET SCHEMA {}").format(name, sql.Identifier(str(schema))).as_string(None)
    if version != now["version"]:
        yield sql.SQL("ALTER EXTENSION {} UPDATE TO {}").format(name, str(version)).as_string(None)


def _kept_extensions(source: Source, before: Snapshot, own: frozenset[FactId]) -> Iterable[str]:
    """A line for each extension of others that CREATE EXTENSION IF NOT EXISTS leaves otherwise than it says."""
    for statement in source.statements:
        if leading_keywords(statement.sql)[:2] != ("CREATE", "EXTENSION"):
            continue
        subject = subject_of(statement.sql)
        now = before.find(FactId("extension", subject.name)) if subject is not None else None
        if subject is None or now is None or FactId("extension", subject.name) in own:
            continue
        wanted = extension_clauses(statement.sql)
        if any(str(now[clause]) != value for clause, value in wanted.items()):
            yield (
                f"{statement.where}: extension {subject.name[0]} is there already, in schema {now['schema']} and of"
                f" version {now['version']}, and is not managed: IF NOT EXISTS leaves it as it is (write CREATE"
                " EXTENSION alone to have it as declared)"
            )


def _mentioned(source: Source, schemas: set[str]) -> tuple[str, ...]:
    """Those of the schemas whose name the source's text holds: it makes nothing in any other."""
    text = source.text.lower()
    return tuple(sorted(each for each in schemas if not each.startswith(PREFIX) and each.lower() in text))


def _added_beside(
    built: Snapshot, before: Snapshot, schemas: Sequence[str], source: Source, scope: Scope, ledger: str
) -> frozenset[FactId]:
    """What the source added in schemas that are not managed. Raises SourceError where it changed or dropped one."""
    added: set[FactId] = set()
    for fact in built.facts.keys() | before.facts.keys():
        old, new = before.facts.get(fact), built.facts.get(fact)
        if fact.schema not in schemas or old == new:
            continue
        if fact.schema == ledger:
            if fact.kind != "schema" and built.object_of(fact).name[-1] in _OF_LEDGER:
                continue  # a dump has the ledger itself
            if built.object_of(fact).kind == "schema":
                continue
            raise SourceError(
                f"{statement_about(source, fact)}: makes or changes {built.object_of(fact)} in schema {ledger},"
                " which holds the ledger, and is not managed",
                hint=f"{_NOT_THERE}, or {_MOVE_LEDGER}",
                left="nothing was changed",
            )
        if new is None or (old is not None and fact.kind not in _ADDED_TO_OTHERS):
            changes = "changes" if new is not None else "drops"
            raise SourceError(
                f"{statement_about(source, fact)}: {changes} {fact}, which it does not create:"
                f" schema {fact.schema} is not managed here",
                hint="in a schema of others, declare new objects, comments and privileges only; or manage the schema"
                f" with --schema {fact.schema} (managed are: {', '.join(scope.schemas)}), or make the change manually",
                left="nothing was changed",
            )
        added.add(fact)
    return frozenset(added)


def _apart(
    built: Snapshot, baseline: Snapshot, made: frozenset[str], connection: Connection
) -> tuple[Snapshot, Snapshot]:
    """Both without what others have committed to the live database while the source ran; that is rolled back by now.

    What is still there at its address is theirs. Of the schemas that came meanwhile, `made`, theirs are left out; what
    is database-wide counts as if it had been there before, as live says it: seen from the scratch, it may stand in a
    schema that had stepped aside.
    """
    came = {
        fact: text
        for fact, text in built.facts.items()
        if built.object_of(fact).kind in DATABASE_WIDE_KINDS and baseline.facts.get(fact) != text
    }
    if not made and not came:
        return built, baseline
    live = read_snapshot(connection, sorted(made))
    known = frozenset(baseline.addresses.values())

    def lasts(fact: FactId) -> bool:
        whole = built.object_of(fact)
        address = built.addresses.get(whole)
        if address is None or address in known:
            return live.facts.get(fact) == built.facts.get(fact)
        return live.addresses.get(whole) == address

    theirs = {fact: live.facts.get(fact) for fact in came if lasts(fact)}
    before = {fact: text for fact, text in theirs.items() if text is not None}
    schemas = {schema for schema in made if lasts(FactId("schema", (schema,)))}
    return (
        _without(frozenset(schemas), built.with_facts({**built.without(theirs).facts, **before})),
        baseline.with_facts({**baseline.facts, **before}),
    )


def _without_unmade(snapshot: Snapshot, schemas: frozenset[str]) -> Snapshot:
    """Without those of the schemas that are empty: the place had them, the source did not make them."""
    owners = {snapshot.object_of(fact) for fact in snapshot.facts}
    held = {owner.name[0] for owner in owners if owner.kind != "schema" and substitutes(owner, schemas)}
    return _without(schemas - held, snapshot)


def _without(schemas: frozenset[str], snapshot: Snapshot) -> Snapshot:
    kept = {fact: text for fact, text in snapshot.facts.items() if not substitutes(snapshot.object_of(fact), schemas)}
    return replace(snapshot.with_facts(kept), schemas=tuple(each for each in snapshot.schemas if each not in schemas))


def _prepare(connection: Connection, scope: Scope) -> tuple[str, ...]:
    """Where unqualified names of the source are looked for: the plugin's schema, then public, which extensions use."""
    managed = ["public"] if scope.all_schemas else [*scope.schemas]
    for schema in managed:
        execute(connection, sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    return tuple(dict.fromkeys([*managed, "public"]))
