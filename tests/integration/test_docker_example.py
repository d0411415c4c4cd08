"""What docker/ holds, as far as it can be seen without docker: the compose file's shape, and the application itself."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reconciler import Reconciler, State
from reconciler.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.one_server

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
_DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The parts of the Compose specification that the file uses; nothing else is let through."""
    return json.loads((Path(__file__).parent / "compose.schema.json").read_text(encoding="utf-8"))


def test_the_compose_file_has_the_shape_that_compose_reads(compose: dict[str, Any], schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(compose, schema)


@pytest.mark.parametrize(
    "broken",
    [
        {"imagee": "postgres"},
        {"image": "postgres", "restart": "sometimes"},
        {"image": "postgres", "deploy": {"replicas": "two"}},
        {"environment": {"A": "b"}},
    ],
)
def test_a_misspelt_service_would_be_noticed(schema: dict[str, Any], broken: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"services": {"x": broken}}, schema)


def test_a_database_two_replicas_and_a_scheduled_check(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"postgres", "app", "drift-check"}
    assert services["app"]["deploy"]["replicas"] == 2
    loop = services["drift-check"]["command"][-1]
    assert "reconciler check" in loop
    assert "sleep" in loop
    # A replica is published nowhere: two cannot have one port of the host.
    assert "ports" not in services["app"]


def test_what_a_service_depends_on_is_there_and_can_be_healthy(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for name, needed in service.get("depends_on", {}).items():
            assert needed["condition"] == "service_healthy"
            assert "healthcheck" in services[name]


def test_the_files_that_compose_names_are_there(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        if build := service.get("build"):
            context = (DOCKER / build["context"]).resolve()
            assert context == ROOT
            assert (context / build["dockerfile"]).is_file()
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DOCKER / source).is_file() if source.startswith(".") else source in compose["volumes"]


def test_the_image_runs_as_nobody_special_and_copies_what_is_there() -> None:
    lines = (DOCKER / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users == ["10001"]
    assert all("slim" in line for line in lines if line.startswith("FROM"))
    for line in lines:
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from"):
            assert all((ROOT / source).exists() for source in words[1:-1])


def test_a_replica_is_live_but_not_ready_while_the_schema_is_not(database: str) -> None:
    from reconciler.model.plugins import lock_id

    with psycopg.connect(database) as holder:
        holder.execute("select pg_advisory_xact_lock(%s)", (lock_id("default"),))
        with _replica(database) as port:
            assert _wait_for(port, "/live") == "live"
            assert _get(port, "/ready")[0] == 503
            holder.rollback()
            assert _wait_for(port, "/ready") == "ready"


def test_an_application_whose_database_is_missing_ends_with_the_reason(database: str) -> None:
    run = subprocess.run(
        [sys.executable, str(DOCKER / "example" / "app.py")],
        check=False,
        env=_environment(make_conninfo(database, dbname="no_such_database"), 0),
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
    )
    assert run.returncode == 1
    assert 'database "no_such_database" does not exist' in run.stderr


@pytest.fixture(scope="module")
def composed(compose: dict[str, Any]) -> Iterator[Callable[[str], str]]:
    """The database of the compose file, with what its initialisation runs; gives the URL that a service connects with."""
    with EmbeddedServer(None) as server:
        url = server.create_database(compose["services"]["postgres"]["environment"]["POSTGRES_DB"])
        mounts = sorted(volume.split(":") for volume in compose["services"]["postgres"]["volumes"] if ".sql:" in volume)
        with psycopg.connect(url, autocommit=True) as admin:
            for source, _, _ in sorted(mounts, key=lambda mount: mount[1]):
                admin.execute((DOCKER / source).read_bytes())

        def url_of(service: str) -> str:
            given = conninfo_to_dict(compose["services"][service]["environment"]["DATABASE_URL"])
            return make_conninfo(url, user=given["user"], password=given["password"])

        yield url_of


def test_two_replicas_become_ready_and_one_migration_is_recorded(composed: Callable[[str], str]) -> None:
    database = composed("app")
    with ExitStack() as stack:
        ports = [stack.enter_context(_replica(database)) for _ in range(2)]
        assert [_wait_for(port, "/ready") for port in ports] == ["ready", "ready"]
        assert [_get(port, "/") for port in ports] == [(200, "visits: 1"), (200, "visits: 2")]
    with psycopg.connect(database) as connection:
        rows = connection.execute("select plugin_name, count(*) from migrations._migrations group by 1").fetchall()
    assert rows == [("default", 1)]


def test_the_drift_check_needs_only_the_role_that_reads(composed: Callable[[str], str]) -> None:
    with Reconciler(composed("app")) as owner, Reconciler(composed("drift-check")) as reader:
        owner.migrate(DOCKER / "example" / "schema")
        assert not reader.check(plugin="default").has_drift
        owner.connection.execute("ALTER TABLE public.visits ADD COLUMN note text")
        try:
            found = reader.check(plugin="default")
        finally:
            owner.connection.execute("ALTER TABLE public.visits DROP COLUMN note")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.connection.execute("DELETE FROM public.visits")
    assert [str(each.object.name[-1]) for each in found.of(State.DRIFTED)] == ["visits"]


@contextmanager
def _replica(database: str) -> Iterator[int]:
    """A running copy of the example; its port."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    command = [sys.executable, str(DOCKER / "example" / "app.py")]
    process = subprocess.Popen(command, env=_environment(database, port), stdout=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        assert process.wait(timeout=_DEADLINE_S) == 0


def _environment(database: str, port: int) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": database, "PORT": str(port), "PYTHONPATH": str(ROOT)}


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode().strip()


def _wait_for(port: int, path: str) -> str:
    """The text of the first answer with status 200."""
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        try:
            status, text = _get(port, path)
        except urllib.error.URLError:
            status, text = 0, "no answer"
        if status == 200:
            return text
        assert time.monotonic() < deadline, f"{path}: {text}"
        time.sleep(0.05)
