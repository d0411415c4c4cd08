"""The disposable place where Postgres builds the desired state and where plans are rehearsed.

Three ways, one interface: `fresh()` gives a connection on which the managed schemas are as initdb would have made them,
and takes everything back afterwards. `schema` works inside one transaction of the live database that is always rolled
back; `database` in a temporary database of the same server; `server` in one of another server.

Who does what:

    place        a fresh place, and what gives such places
    schema       `schema`
    database     `database` and `server`
    reach        keeps a source within the place
    stubs        roles of live on another server
    environment  what a temporary database gets of live before the source runs
    choice       which of them serves without blocking others
    build        the desired state, built in it
"""
