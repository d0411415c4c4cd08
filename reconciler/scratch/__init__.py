"""The disposable place where Postgres builds the desired state and where plans are rehearsed.

Who does what:

    scratch   the three places: a schema, a database, another server
    choice    which of them serves and disturbs nobody
    building  the desired state, built in it
"""
