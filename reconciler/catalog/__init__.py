"""Live's catalogs as a snapshot of facts. Does I/O on the connection that it is given, and changes nothing.

Who does what:

    snapshot_reader  one query for each kind, all in one statement
    dependencies     the rows of pg_depend as dependencies between facts
    privileges       access control lists as the privileges of each grantee
    others           roles whose code must not run with our rights
    statistics       sizes, use of indexes, versions of extensions: what a plan asks beside facts
"""
