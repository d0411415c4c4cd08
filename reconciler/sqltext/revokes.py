"""A REVOKE turned round into the GRANT of the same. Pure: no I/O."""

from __future__ import annotations

from reconciler.sqltext.lexer import tokens

__all__ = ["as_grant"]

_DEPTH = {"(": 1, ")": -1}


def as_grant(sql: str) -> str | None:
    """The statement that grants what this one revokes, from whom it revokes it; None where it revokes nothing.

    ALTER DEFAULT PRIVILEGES ... REVOKE is turned round as well.
    """
    if "REVOKE" not in sql.upper():
        return None
    found = list(tokens(sql))
    words = [token.keyword for token in found]
    if words[:3] == ["ALTER", "DEFAULT", "PRIVILEGES"]:
        first = next((at for at, word in enumerate(words) if word in ("GRANT", "REVOKE")), len(words))
    else:
        first = 0
    if words[first : first + 1] != ["REVOKE"]:
        return None
    option_only = words[first + 1 : first + 4] == ["GRANT", "OPTION", "FOR"]
    after = found[first + 4 if option_only else first + 1].start
    depth, on, source = 0, False, 0
    for at in range(first + 1, len(found)):
        depth += _DEPTH.get(found[at].text, 0)
        on = on or (not depth and words[at] == "ON")
        if on and not depth and words[at] == "FROM":
            source = at
            break
    if not source:
        return None
    last = found[-2 if words[-1] in ("CASCADE", "RESTRICT") else -1]
    grantor = next((at for at in range(source, len(found)) if words[at : at + 2] == ["GRANTED", "BY"]), None)
    end = last.start + len(last.text)
    grantees = sql[found[source].start + len("FROM") : end if grantor is None else found[grantor].start]
    by = "" if grantor is None else sql[found[grantor].start : end]
    option = " WITH GRANT OPTION " if option_only else " "
    head = sql[: found[first].start]
    return f"{head}GRANT {sql[after : found[source].start]}TO{grantees}{option}{by}".rstrip()
