"""Access control lists as the privileges of each grantee. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


__all__ = ["changed_privileges"]

# https://www.postgresql.org/docs/current/ddl-priv.html, table "ACL Privilege Abbreviations"
_PRIVILEGES = {
    "r": "SELECT",
    "a": "INSERT",
    "w": "UPDATE",
    "d": "DELETE",
    "D": "TRUNCATE",
    "x": "REFERENCES",
    "t": "TRIGGER",
    "m": "MAINTAIN",
    "X": "EXECUTE",
    "U": "USAGE",
    "C": "CREATE",
    "c": "CONNECT",
    "T": "TEMPORARY",
    "s": "SET",
    "A": "ALTER SYSTEM",
}
_ACL_ITEM = re.compile(r'((?:"(?:[^"]|"")*"|[^="])*)=([^/]*)/(.*)', re.DOTALL)


def changed_privileges(acl: Sequence[str], acl_default: Sequence[str]) -> Iterable[tuple[str, list[str]]]:
    """(grantee, privileges) for each grantee whose privileges are not those it has by default; '' is PUBLIC.

    A null acl means the default, so the default spelled out gives nothing either.
    """
    actual, default = _by_grantee(acl), _by_grantee(acl_default)
    for grantee in sorted(actual.keys() | default.keys()):
        if actual.get(grantee) != default.get(grantee):
            yield grantee, sorted(actual.get(grantee, ()))


def _by_grantee(acl: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in acl:
        grantee, letters, _grantor = _parse_acl_item(item)
        for letter, option in re.findall(r"(\w)(\*?)", letters):
            found.setdefault(grantee, set()).add(_PRIVILEGES[letter] + (" WITH GRANT OPTION" if option else ""))
    return found


def _parse_acl_item(item: str) -> tuple[str, str, str]:
    match = _ACL_ITEM.fullmatch(item)
    if match is None:
        raise ValueError(f"not an aclitem: {item!r}")
    grantee, letters, grantor = match.groups()
    if grantee.startswith('"'):
        grantee = grantee[1:-1].replace('""', '"')
    return grantee, letters, grantor
