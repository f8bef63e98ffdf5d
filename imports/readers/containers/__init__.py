"""Zips, tars and packed files: listed and read in place, one layer through the other. Pure.

``layers`` says what lies between a file on the disk and some bytes in it; ``listing`` finds the layers,
``opening`` reads through them, ``unpacking`` undoes one of them, ``bounds`` holds the limits.
"""
