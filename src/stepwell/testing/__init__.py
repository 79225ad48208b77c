"""The engine under simulation: one process, no threads, a virtual clock, and everything that can go wrong.

`simulation.run(seed)` plays one run; `python -m stepwell.testing.simulate` does so from the command line.
"""
