"""The words that everything else is said in: plain data. Pure: no I/O.

Who does what:

    facts            a fact: kind, name, definition; the kinds of facts
    snapshot         all facts at one moment, with their dependencies and fingerprint
    plan             statements, steps, the plan
    hazards          what a statement can cost: the kinds, each described once
    replication      who reads the server's log, and how far they may be behind
    checks           questions about rows, and findings
    intent           hints as plain data
    plugins          a plugin's name and what follows from it
    temporary_names  names of objects that exist only while a plan runs, and how they are known again
    visible          text of others as people may be shown it: control characters as escapes
"""
