"""What a plan can cost, and who consents to it.

Who does what:

    kinds    a hazard, and the kinds, each described once
    hazards  one function per hazard
    policy   which of them are refused
"""
