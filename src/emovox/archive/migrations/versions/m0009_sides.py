"""Whose voice a recognition is of, and what the policy decided; sides came with this version."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0009", "0008"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("recognitions", sa.Column("side", sa.Text))
    op.add_column("recognitions", sa.Column("policy", sa.Text))
