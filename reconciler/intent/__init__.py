"""What a comparison of two states cannot tell: renames, conversions, what is left alone.

Who does what:

    intent       the wishes as plain data
    resolve      what they come to on this database
    suggestions  what looks like a rename that nobody asked for
"""
