"""What somebody decides of each object that drifted, and what follows from that; every face of it asks the same.

items      what drifted: recorded, live and declared side by side, and whose it is
basket     what was decided, the command lines that do the same
"""
