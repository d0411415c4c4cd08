"""What a rule is, and what it may know.

Who does what:

    rule     the base of all rules; a statement in the making
    context  both states, and what the plan does to whom
    nodes    what is put in order: an act on a fact
    online   which facts are changed in steps that do not block others
"""
