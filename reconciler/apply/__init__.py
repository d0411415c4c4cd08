"""Running a plan on a live database.

Who does what:

    transaction  a plan of one transaction: lock, look, run, record, look again, commit
    steps        a plan of several transactions, one after the other
    backfill     a column backfilled in batches
    lag          who reads the server's log, and waiting for them
    locks        short waits for locks, and a lease for long runs
"""
