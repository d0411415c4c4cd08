"""Access control lists as the privileges of each grantee. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model.privileges import GRANT_OPTION, granted_by

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


def changed_privileges(
    acl: Sequence[str], acl_default: Sequence[str], owner: str | None
) -> Iterable[tuple[str, list[str]]]:
    """(grantee, privileges) for each grantee whose privileges are not those it has by default; '' is PUBLIC.

    A null acl means the default, so the default spelled out gives nothing either. What another role than the `owner`
    granted names that role; without an owner nobody is another.
    """
    actual, default = _by_grantee(acl, owner), _by_grantee(acl_default, owner)
    for grantee in sorted(actual.keys() | default.keys()):
        if actual.get(grantee) != default.get(grantee):
            yield grantee, sorted(actual.get(grantee, ()))


def _by_grantee(acl: Sequence[str], owner: str | None) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in acl:
        grantee, letters, grantor = _parse_acl_item(item)
        other = None if owner in (None, grantor) else grantor
        for letter, option in re.findall(r"(\w)(\*?)", letters):
            privilege = _PRIVILEGES[letter] + (GRANT_OPTION if option else "")
            found.setdefault(grantee, set()).add(granted_by(privilege, other))
    return found


def _parse_acl_item(item: str) -> tuple[str, str, str]:
    match = _ACL_ITEM.fullmatch(item)
    if match is None:
        raise ValueError(f"not an aclitem: {item!r}")
    grantee, letters, grantor = match.groups()
    return _unquoted(grantee), letters, _unquoted(grantor)


def _unquoted(role: str) -> str:
    return role[1:-1].replace('""', '"') if role.startswith('"') else role
