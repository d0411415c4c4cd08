"""What follows from a plan, whichever statement does it.

Who does what:

    impact           all of it, statement by statement
    client_breakage  what clients notice
    access           who may see or do more
    delayed_effects  what shows only later
    subscribers      what those notice who read the server's log, with sent_columns and sent_tables
    subscriber_steps whom that is about, and what to run there
    log_readers      what standbys and other slots get
    lock_duration    which tables stay locked until the transaction ends
"""
