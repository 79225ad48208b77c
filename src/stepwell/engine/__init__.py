"""The decision. Pure: no clock, no chance, no I/O, no logging, no async. Same arguments, same answer, always.

Theory of operation. `decide(snapshot, event, now)` is the only entrance. It answers a `Decision` (the rows that change,
and a reply) or `Needs` (keys of what must be loaded first; the shell loads them and asks again from the same
snapshot). A reaction (`reactions.py`) handles one kind of event on a `Draft`: reads fall through to the snapshot,
writes stay on top. Steps are opened, closed and offered in `steps.py`; each control step has one file in
`control/` with its answers: `open`, `child_closed`, `resume`. A step that closes climbs: its parent hears of it, may
open the next child or close too, until somebody is still waiting (`climb.py`).

An exception in here is a bug: the shell sets that event aside, marks that one process, and all others go on.
"""
