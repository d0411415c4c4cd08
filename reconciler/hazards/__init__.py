"""What a plan can cost, and who consents to it. Who does what:

kinds    the kinds of hazards, each described once
hazards  one function per hazard
policy   which of them are refused
"""
