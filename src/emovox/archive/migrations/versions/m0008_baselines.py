"""The baseline that a recording was recognised with, beside its raw scores; baselines came with this version."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0008", "0007"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("recognitions", sa.Column("baseline", sa.Text))
    op.add_column("recognitions", sa.Column("baseline_count", sa.Integer))
    op.add_column("recognitions", sa.Column("baseline_checksum", sa.String(64)))
    op.add_column("recognitions", sa.Column("baseline_expectation", sa.Text))
    op.add_column("recognitions", sa.Column("baseline_shift", sa.Text))
    op.add_column("recognitions", sa.Column("baseline_temperatures", sa.Text))
    op.add_column("recognitions", sa.Column("emotions", sa.Text))
