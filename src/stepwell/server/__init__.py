"""HTTP. Translates between the wire and the runtime; decides nothing about processes.

A request passes `app` (which route), `auth` (who, and may they), `door` (may this text be stored), a handler in `hot`
or `routes/`, and `wire` (every shape). What goes wrong becomes an answer in `problems`.
"""
