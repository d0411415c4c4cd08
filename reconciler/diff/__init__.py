"""What must change: the goal, and how live differs from it. Pure: no I/O.

Who does what:

    goal          desired, live and recorded -> what live must equal when a run has ended
    diff          two snapshots -> differences; knows no kind
    drift         recorded, live and goal -> the state of each object
    states        a state as text, or as what differs from the state before it
    column_order  what counts columns, in live's order of them
"""
