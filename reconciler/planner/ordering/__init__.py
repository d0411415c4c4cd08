"""In which order the statements stand.

Who does what:

    edges            what must come before what
    body_references  what the bodies of routines name, which pg_depend does not know
    graph            the one sort
    others           what belongs to others in a copy runs with their rights, or not at all
    steps            the statements in order as steps: before the one transaction, in it, after it
"""
