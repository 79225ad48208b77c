"""A black-box crash test: drive the server over HTTP, hurt it, and check from outside that nothing was lost.

    drive      starts processes with known keys and writes down what was answered          drive.py
    workers    do the steps, each a process of its own; note every effect before the report worker.py
    nemesis    kills, stops, cuts, fills the disk …, from a seed                            nemesis.py
    check      reads the ledgers and the server's own truth; says what does not fit         check.py

It imports nothing of the engine, only the standard library, and knows the public HTTP interface alone. Its ledgers
lie outside of the server's folder. `python -m torture --help`; what the figures mean: docs/guarantees.md.
"""
