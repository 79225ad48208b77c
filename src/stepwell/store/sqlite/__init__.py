"""The embedded store: one SQLite file. `queries.sql` holds its statements, `migrations/` its tables."""
