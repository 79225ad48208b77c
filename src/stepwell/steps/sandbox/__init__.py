"""Scripts of users, run in child processes that can do nothing but compute. The server process runs none of them.

`sandbox.py` is the entrance. What a child imports (`child`, `confine`, `seccomp`, `frames`, `interpreters`) imports
nothing of the rest: a child holds as little as possible.
"""
