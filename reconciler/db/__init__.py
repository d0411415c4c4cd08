"""Connections to Postgres.

Who does what:

    connections  opens them, pins what their text depends on, words their errors
    search_path  where functions that a plan's statements call look for what they name
    statements   statements of a plan that are run, and errors that name them
    identity     which database this is
    session      the connection that a use case works on, ours or the caller's
    sqlalchemy   the psycopg connection under one of SQLAlchemy's
    sqlfiles     the SQL files that ship with the package
"""
