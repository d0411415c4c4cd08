"""Nothing of a plan file is believed: not its members, not its digest, not who may have written it."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from reconciler.cli.plan_file import write_plan
from reconciler.db.identity import DatabaseIdentity
from reconciler.diff.goal import Goal, Scope
from reconciler.errors import ConfigError, StalePlanError
from reconciler.ledger.migrations import Head
from reconciler.model.facts import FactId, canonical_json
from reconciler.model.hazards import Hazard, HazardKind, TableSize
from reconciler.model.plan import LockMode, Plan, Statement
from reconciler.model.snapshot import Snapshot
from reconciler.options import Options
from reconciler.redaction.masking import SecretText
from reconciler.results import PlanResult
from reconciler.source.reading import source_from_text
from reconciler.workflows.plan_file import dump_plan, load_plan, require_database, require_reviewed
from reconciler.workflows.signatures import Signer, Verifier

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "json-format.schema.json").read_text())
TABLE = FactId("table", ("public", 'odd."name'))
LIVE = Snapshot(facts={TABLE: '{"persistence":"p"}'}, schemas=("public",), server_version=180000)
GOAL = replace(LIVE, facts={**LIVE.facts, FactId("comment", ("table", *TABLE.name)): '{"text":"ü"}'})
STATEMENTS = (
    Statement(
        sql="COMMENT ON TABLE x IS 'ü'",
        creates=(FactId("comment", ("table", *TABLE.name)),),
        hazards=(
            Hazard(kind=HazardKind.DATA_LOSS, message="lost", fact=TABLE, size=TableSize(rows=3, bytes=8192)),
            Hazard(kind=HazardKind.MAY_FAIL, message="fails", fact=TABLE),
        ),
        lock=LockMode.ACCESS_EXCLUSIVE,
        locks=TABLE,
    ),
    Statement(sql="CREATE INDEX CONCURRENTLY i ON x (a)", transactional=False, step=2),
)
SOURCE = source_from_text("CREATE TABLE x (); -- renamed from y\n", origin="x.sql")
HERE = DatabaseIdentity(system_identifier="7", oid=16384, name="shop")
PLANNED = PlanResult(
    plugin="shop",
    plan=Plan(
        statements=STATEMENTS, differences=(), live_fingerprint=LIVE.fingerprint, goal_fingerprint=GOAL.fingerprint
    ),
    live=LIVE,
    goal=Goal(snapshot=GOAL, record=GOAL),
    desired_fingerprint="d" * 64,
    source_text=SOURCE.text,
    source_description="x.sql",
    source_digest=SOURCE.digest,
    recorded=None,
    scope=Scope(schemas=("public", "app"), exact=True),
    options=Options(
        allow=frozenset({HazardKind.DATA_LOSS}),
        schemas=("public", "app"),
        exact=True,
        search_path=("app",),
        online=True,
    ),
    scratch="schema: as asked",
    head=Head(idx=2, hash="h"),
)


def written(**changes: Any) -> str:
    return dump_plan(replace(PLANNED, **changes), SOURCE, HERE)


def sealed(document: dict[str, Any]) -> str:
    """The document with the digest that whoever changed it can compute as well as we can."""
    bare = {name: value for name, value in document.items() if name not in ("sha256", "signature")}
    return json.dumps({**document, "sha256": hashlib.sha256(canonical_json(bare).encode()).hexdigest()})


def test_what_decides_the_plan_comes_back_and_what_the_command_decides_does_not() -> None:
    found = load_plan(written())
    assert (found.source, found.source.digest, found.head, found.plugin) == (
        SOURCE,
        SOURCE.digest,
        PLANNED.head,
        "shop",
    )
    now = found.options_with(Options(allow=frozenset({HazardKind.PRIVILEGES}), lock_timeout_ms=7))
    assert now.allow == {HazardKind.PRIVILEGES}, "consents are those of the command"
    assert (now.schemas, now.exact, now.search_path, now.online, now.lock_timeout_ms) == (
        ("public", "app"),
        True,
        ("app",),
        True,
        7,
    )
    require_reviewed(found, PLANNED)


def test_the_file_is_as_documented_and_has_a_line_for_each_statement() -> None:
    text = written()
    jsonschema.validate(json.loads(text), SCHEMA)
    assert sum('"sql":"COMMENT ON TABLE' in line for line in text.splitlines()) == 1
    assert text == written()
    require_reviewed(load_plan(json.dumps(json.loads(text), indent=8, sort_keys=True)), PLANNED)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for name, member in members for each in _paths(member, (*path, name)))]


def _changed(document: dict[str, Any], path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> dict[str, Any]:
    copied = copy.deepcopy(document)
    holder = copied
    for name in path[:-1]:
        holder = holder[name]
    change(holder, path[-1])
    return copied


def _remove(holder: Any, name: Any) -> None:
    del holder[name]


def _add(holder: Any, name: Any) -> None:
    if isinstance(holder, dict):
        holder["x" + str(name)] = holder[name]
    else:
        holder.insert(name, holder[name])


def _replace(value: Any) -> Callable[[Any, Any], None]:
    def change(holder: Any, name: Any) -> None:
        holder[name] = not holder[name] if value == "other" and isinstance(holder[name], bool) else value

    return change


def test_whatever_is_changed_is_refused_also_with_a_new_digest() -> None:
    """Each member removed, doubled, and replaced by values of every kind: refused, or of no account for the plan."""
    document = json.loads(written())
    harmless = {"source", "sha256", "options", "database", "plugin", "head", "server_version"}
    tried = 0
    for path in _paths(document)[1:]:
        for change in (_remove, _add, *map(_replace, (None, 5, "other", [], {}, [[]], True))):
            changed = _changed(document, path, change)
            if changed == document:
                continue
            tried += 1
            with pytest.raises((ConfigError, StalePlanError)):
                load_plan(json.dumps(changed))
            try:
                found = load_plan(sealed(changed))
            except (ConfigError, StalePlanError):
                continue
            if path[0] in harmless:
                continue  # the plan is made again with them; what comes out then must be what was reviewed
            with pytest.raises(StalePlanError):
                require_reviewed(found, PLANNED)
    assert tried > 300


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (lambda each: [each[1], each[0]], "statement 1 of the plan file is not"),
        (lambda each: [each[0]], "has 1 statements, the plan for this database 2"),
        (lambda each: [*each, {**each[1], "sql": "DROP TABLE users"}], "has 3 statements"),
        (lambda each: [{**each[0], "sql": each[0]["sql"] + "; DROP TABLE users"}, each[1]], "its sql is"),
        (lambda each: [{**each[0], "hazards": []}, each[1]], "its hazards is"),
        (lambda each: [{**each[0], "lock": None}, each[1]], "its lock is null in the file"),
        (lambda each: [{**each[0], "transactional": False}, each[1]], "its transactional is false in the file"),
        (lambda each: [{**each[0], "step": 9}, each[1]], "its step is 9 in the file"),
    ],
)
def test_statements_that_are_not_those_of_the_plan_are_named(statements: Callable[[Any], Any], said: str) -> None:
    document = json.loads(written())
    found = load_plan(sealed({**document, "statements": statements(document["statements"])}))
    with pytest.raises(StalePlanError, match=said):
        require_reviewed(found, PLANNED)


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="not JSON"):
        load_plan(
            written().replace('{"head"', "{").replace('  "plugin": "shop",', '  "plugin": "shop", "plugin": "shop",')
        )


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (replace(HERE, oid=5), r"made for database shop \(OID 16384\), this is shop \(OID 5\)"),
        (replace(HERE, name="other"), r"this is other \(OID 16384\)"),
        (replace(HERE, system_identifier="8"), "system identifier 7, this is shop of 8"),
    ],
)
def test_another_database_is_refused(there: DatabaseIdentity, said: str) -> None:
    found = load_plan(written())
    require_database(found, HERE)
    require_database(found, replace(HERE, system_identifier=None))
    with pytest.raises(StalePlanError, match=said) as caught:
        require_database(found, there)
    assert "--any-database" in (caught.value.hint or "")


@pytest.mark.parametrize("key", ["program_version", "format_version"])
def test_another_version_s_file_is_refused(key: str) -> None:
    with pytest.raises(StalePlanError, match="this is"):
        load_plan(json.dumps({**json.loads(written()), key: "0.0.0"}))


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '"x"', '{"format": "reconciler/plan"}', "[" * 100_000])
def test_what_is_no_plan_file_is_called_that(text: str) -> None:
    with pytest.raises(ConfigError, match="not a plan file"):
        load_plan(text)


def test_a_statement_with_a_secret_is_not_written_and_a_secret_of_the_declaration_is_masked() -> None:
    secret = Statement(
        sql="ALTER x '********'", alters=(TABLE,), masked=True, secret=SecretText(("ALTER x 'canary'",), {})
    )
    with pytest.raises(ConfigError, match="holds a secret"):
        written(plan=replace(PLANNED.plan, statements=(secret,)))
    source = source_from_text("create table x (); create user mapping for u server s options (password 'canary');")
    text = dump_plan(PLANNED, source, HERE)
    assert "canary" not in text
    assert load_plan(text).source.digest not in (source.digest, source_from_text("").digest), "no start skips by it"


def test_a_signature_proves_who_reviewed_it(tmp_path: Path) -> None:
    keys = {name: tmp_path / name for name in ("ours", "theirs", "rsa", "ours.pub", "theirs.pub", "ssh", "ssh.pub")}
    for name in ("ours", "theirs"):
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", keys[name]], check=True)
        subprocess.run(["openssl", "pkey", "-in", keys[name], "-pubout", "-out", keys[f"{name}.pub"]], check=True)
    subprocess.run(["openssl", "genrsa", "-out", keys["rsa"], "2048"], check=True, capture_output=True)
    text = dump_plan(PLANNED, SOURCE, HERE, Signer(keys["ours"]))
    jsonschema.validate(json.loads(text), SCHEMA)
    verifier = Verifier(keys["ours.pub"])
    assert load_plan(text, verifier) == load_plan(text) == load_plan(written())
    for other in (
        written(),
        sealed({**json.loads(text), "plugin": "x"}),
        text.replace('"algorithm":"ed25519"', '"algorithm":"none"'),
    ):
        with pytest.raises(ConfigError, match="not signed"):
            load_plan(other, verifier)
    with pytest.raises(ConfigError, match="not signed with the key"):
        load_plan(text, Verifier(keys["theirs.pub"]))
    for wrong in (keys["ours.pub"], keys["rsa"], tmp_path / "missing", Path(__file__)):
        with pytest.raises(ConfigError):
            Signer(wrong)
    with pytest.raises(ConfigError, match="not a public Ed25519 key"):
        Verifier(keys["ours"])


def test_a_file_is_written_whole_through_no_link_and_pipes_as_they_are(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, link, pipe, other = (tmp_path / name for name in ("plan.json", "link.json", "pipe", "other"))
    (tmp_path / "plan.json.partial").symlink_to(other)
    write_plan("one", file)
    write_plan("two", file)
    assert file.read_text() == "two"
    link.symlink_to(other)
    with pytest.raises(ConfigError, match="is a symbolic link, which is not followed"):
        write_plan("x", link)
    link.unlink()
    link.symlink_to(file)
    with pytest.raises(ConfigError, match="is a symbolic link"):
        write_plan("x", link)
    assert not other.exists(), "nobody has it written elsewhere"
    assert {each.name for each in tmp_path.iterdir()} == {"plan.json", "plan.json.partial", "link.json"}, (
        "no partial one"
    )
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_plan("three", pipe)
    reader.join()
    assert read == ["three"]
    assert pipe.is_fifo()
    write_plan("four", Path("/dev/stdout"))
    assert "four" in capfd.readouterr().out
    with pytest.raises(ConfigError, match="cannot be written"):
        write_plan("x", tmp_path / "missing" / "plan.json")
