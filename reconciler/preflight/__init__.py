"""What blocks a plan, asked of live before the first lock.

Who does what:

    preflight     the queries and what they found
    requirements  what a plan needs of the role that runs it and of the server
"""
