"""The nouns: frozen records and enums that every other room speaks.

Nothing here imports another room, reads a clock or does I/O. A record is changed by making a new one
(`change(record, field=value)`), so a snapshot handed to the engine can never move under its feet.
"""
