"""Step types that the server runs itself: workers that ship with us, one file each, behind one interface.

`step.py` is the interface, `registry.py` the table of what there is (packages add their own by entry point),
`sandbox/` runs scripts in child processes. Imports the model only; nothing in the engine knows what is in here.
"""
