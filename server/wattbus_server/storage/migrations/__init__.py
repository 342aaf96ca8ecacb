"""Alembic migrations; `wattbus_server.storage.migrate` runs them at start."""
