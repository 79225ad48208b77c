"""The only shell. Owns time, batching and answering; decides nothing itself.

`turn.py` is the whole of it: everything that waits is folded through the engine, saved in one transaction and answered
after the commit. `lane.py` is the thread that runs turns, `dispatch.py` knows who waits for work, `clockwork.py` turns
due rows and ended leases into events, `runtime.py` is the asynchronous skin that the server talks to.
"""
