"""The store that several nodes share: one PostgreSQL, read and written through asyncpg."""
