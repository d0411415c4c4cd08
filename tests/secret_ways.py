"""Ways to write a secret in a declaration. Each has `{c}` where the secret stands."""

from __future__ import annotations

__all__ = ["OBJECTS", "WAYS", "declaration"]

# What the statements below are about.
OBJECTS = "create foreign data wrapper w;\n" + "".join(
    f"create server s{number} foreign data wrapper w;\n" for number in range(1, 60)
)
_MAPPING = "create user mapping for current_user server s{n} options (user 'u', "
_SERVER = "create server t{n} foreign data wrapper w options "
WAYS = (
    _MAPPING + "password '{c}');",
    _MAPPING + "password $${c}$$);",
    _MAPPING + "password $x$it's {c}$x$);",
    _MAPPING + "password E'{c}');",
    _MAPPING + "password E'it\\'s {c}');",
    _MAPPING + "password E'\\x41{c}');",
    _MAPPING + "password U&'\\0041{c}');",
    _MAPPING + "password U&'!0041{c}' );",
    _MAPPING + "password 'a'\n'{c}');",
    _MAPPING + "password 'a' -- and\n   '{c}');",
    _MAPPING + "password/*c*/'{c}');",
    _MAPPING + "password -- '\n'{c}');",
    _MAPPING + "\"password\" '{c}');",
    _MAPPING + "\"PassWord\" '{c}');",
    _MAPPING + "U&\"pass\\0077ord\" '{c}');",
    _MAPPING + "PASSWORD'{c}');",
    _MAPPING + "password\t'{c}');",
    _MAPPING + "anything '{c}');",
    _MAPPING + "note 'it''s {c}');",
    _SERVER + "(password '{c}');",
    _SERVER + "(host 'h', api_key '{c}');",
    _SERVER + "(auth '{c}');",
    _SERVER + "(pass '{c}');",
    _SERVER + "(bearer '{c}');",
    _SERVER + "(token '{c}');",
    _SERVER + "(key '{c}');",
    _SERVER + "(credentials '{c}');",
    _SERVER + "(aws_secret_access_key '{c}');",
    _SERVER + "(account_key '{c}');",
    _SERVER + "(address 'http://user:{c}@host/x');",
    _SERVER + "(address 'postgresql://user@host/x?password={c}&a=b');",
    _SERVER + "(address 'host=h password={c}');",
    _SERVER + "(address 'host=h password=''a {c}''');",
    _SERVER + "(address $$host=h password='{c}'$$);",
    _SERVER + "(address E'host=h passw\\x6frd={c}');",
    _SERVER + '(sa_key \'{{"private_key": "{c}"}}\');',
    _SERVER + "(odbc_PWD '{c}');",
    _SERVER + "(mongo_url 'mongodb://u:{c}@h');",
    "create foreign table ft{n} (a int options (secret '{c}')) server s{n} options (access_token '{c}');",
    "alter server s{n} options (add password '{c}');",
    "create subscription sub{n} connection 'host=h dbname=d password={c}' publication p with (connect = false);",
    "create subscription sub{n} connection 'postgresql://u:{c}@h/d' publication p with (connect = false);",
    "create subscription sub{n} connection $$host=h password = '{c}'$$ publication p with (connect = false);",
    "do $$begin execute 'create user mapping for public server s{n} options (password ''{c}'')'; end$$;",
    "do language plpgsql $$begin create user mapping for public server s{n} options (password '{c}'); end$$;",
    "do $a$begin execute format('create user mapping for public server s{n} options (password %L)', '{c}'); end$a$;",
    "-- create user mapping for x server s options (password '{c}');\ncreate table commented{n} ();",
    "/* postgresql://u:{c}@host/d */ create table commented{n} ();",
)


def declaration(canary: str) -> str:
    """All of it as one source; each way has a secret of its own, which begins with `canary`."""
    ways = "\n".join(way.format(n=number, c=f"{canary}{number}") for number, way in enumerate(WAYS, start=1))
    return f"{OBJECTS}\n{ways}\n"
