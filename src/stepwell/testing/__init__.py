"""The engine under simulation: one process, no threads, a virtual clock, and everything that can go wrong.

Theory of operation. `world.py` has an agenda, a clock and one source of chance; a seed decides everything. The server
in it is the real lane over a real store; `faults.py` makes its transactions fail, and `world.Line` loses, doubles and
reorders what passes between it and its callers (`clients.py`, `workers.py`), over `definitions.py` drawn at random.
After every turn `checks.py` holds the rows, the lane's memory and all answers against the invariants. Then all faults
stop, and every process must end.

    from stepwell.testing.simulation import run
    run(seed)                # an Outcome, or SimulationFailed with the seed, the last events and how to replay them

From the command line: `stepwell simulate --seed 1`, `stepwell simulate --seeds 100`.
"""
