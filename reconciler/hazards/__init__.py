"""What a plan can cost, and who consents to it.

Who does what:

    hazards  one function per hazard
    policy   which of them are refused
"""
