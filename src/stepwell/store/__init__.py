"""Durability. A store moves rows and knows no rules: what may follow what is decided in `engine/`.

`port.py` is what a backend author reads; `memory.py` and `sqlite/` are the backends. All of them pass one suite
(`tests/store/`), and the same random requests leave the same rows in each.
"""
