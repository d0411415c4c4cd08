"""What was done, by whom, from which source: the tables in the ledger's schema, usually `migrations`.

Every function takes an open connection and leaves its transaction alone: begin and commit are the caller's, so that the
record of a migration stands or falls with the migration. In order: `lock_plugin`, `ensure_ledger`, the work,
`record_migration`, `record_run`, commit. Functions that read create nothing and work where there is no ledger, with a
role that may only read, and on the three tables of an elizaOS database. All raise LedgerError where the ledger cannot
be read or written, LedgerVersionError where a newer program wrote it.

Who does what:

    schema      makes the tables, tells their version, locks them
    migrations  migrations with their statements and sources, and the state that each leads to
    history     what people ask of them: all in short, one with all that is known of it
    runs        what ran, and how it ended, also what failed
    steps       the steps of runs that take several transactions
    marks       what live was when it was last seen to be as declared
    states      the schemas as they were, as each run left them and each look found them
    speeds      how quick the server was in earlier migrations
    addresses   where Postgres keeps objects, so that one is found again under another name
    managers    the journal and the snapshots, in elizaOS's shape
    declarations    what was declared, and which declaration is an earlier one
"""
