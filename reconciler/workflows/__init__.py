"""One use case each: sequences of transactions on one connection.

Who does what:

    make_plan     looks and builds, and is rolled back: read_situation, goal_of, plan_statements, rehearse
    situation     what is declared and recorded, what live holds, what is meant
    goals         what live must become
    statements    the statements, with what live says beside its catalogs
    rehearse      the rehearsal: in which scratch, on which rows
    behind        whether a declaration is an older one
    execute_plan  changes and records
    reconcile     both of them as one, again where the database changed meanwhile
    check         recorded, live and declared side by side
    status        what the ledger knows of a plugin
    repair        a plan restricted to what drifted
    rollback      which recorded declaration becomes the desired state again
    compare       two sources or databases, neither of which is changed
    past          the schema as it was
    pull          what live has, as changes of the files that declare it
    file_edits    one attempt at these changes
    history       which statement of a source makes what
    plan_file     a plan as text that is reviewed, and made again from it
    signatures    who reviewed it
"""
