"""What was done, by whom, from which source: the tables in schema `migrations`.

Who does what:

    schema    makes the tables, tells their version, locks them
    ledger    migrations, statements, sources, runs, marks
    steps     the steps of runs that take several transactions
    managers  the journal and the snapshots, in elizaOS's shape
"""
