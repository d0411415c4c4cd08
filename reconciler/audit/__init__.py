"""The log of DDL that event triggers write: installing it, reading it, and whose a difference is.

install.py      its tables, functions and triggers, whether they are as they were made, and their removal
log.py          entries, what became visible since a moment, seals
attribution.py  whose the differences are that `check` found
"""
