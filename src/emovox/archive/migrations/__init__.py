"""Migrations of the database, by alembic: each version's tables from the one before."""
