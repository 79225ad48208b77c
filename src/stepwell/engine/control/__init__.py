"""One file per step type that the engine itself understands: its answers, its fields, the smallest example.

`table.py` lists them. Adding one is adding a file and a line there.
"""
