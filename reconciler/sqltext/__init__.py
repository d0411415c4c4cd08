"""SQL text that others wrote, read by Postgres's lexical rules alone. Pure: no I/O.

Who does what:

    lexer                   text into statements and tokens
    subjects                what a statement makes, told from its first tokens
    printed_lists           lists that Postgres printed
    constraint_definitions  definitions of constraints that Postgres printed, taken apart
    redacted_sql            statements without the secrets in them
    roundtrip               texts that differ only in how Postgres prints what it printed before
"""
