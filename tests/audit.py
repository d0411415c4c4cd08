"""Looks for known vulnerabilities of the installed packages with pip-audit. `python tests/audit.py`

Its status is 1 where one is found. Where pip-audit cannot be installed, or its advisory service not be reached, it says
that the audit is skipped, and why, and its status is 0: a build without network must not fail for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

_TIMEOUT_S = 300
_TOOL = "pip-audit>=2.7"


def main() -> int:
    """Audits the environment of this interpreter; the tool has one of its own."""
    with tempfile.TemporaryDirectory() as folder:
        tool = Path(folder, "tool")
        venv.create(tool, with_pip=True)
        python = tool / "bin" / "python"
        installed = _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _TOOL])
        if installed.returncode != 0:
            return _skip("pip-audit cannot be installed", installed.stderr)
        frozen = _run([sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"])
        pins = Path(folder, "pins.txt")
        pins.write_text(frozen.stdout)
        report = Path(folder, "report.json")
        audited = _run(
            [
                *(python, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"),
                *("--requirement", pins, "--format", "json", "--output", report),
            ]
        )
        if not report.is_file() or not report.read_text().strip():
            return _skip("the advisory service cannot be reached", audited.stderr)
        found = [
            (each["name"], each["version"], [known["id"] for known in each["vulns"]])
            for each in json.loads(report.read_text())["dependencies"]
            if each.get("vulns")
        ]
    for name, version, known in found:
        print(f"{name} {version}: {', '.join(known)}")
    print(f"audit: {len(found)} packages with known vulnerabilities")
    return 1 if found else 0


def _run(command: list[object]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [str(each) for each in command], check=False, capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as exc:
        return subprocess.CompletedProcess(exc.cmd, 1, "", f"no answer within {_TIMEOUT_S} s")


def _skip(why: str, said: str) -> int:
    last = said.strip().splitlines()[-1:] or ["it said nothing"]
    print(f"audit: skipped, {why}: {last[0][:200]}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
