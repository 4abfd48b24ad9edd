"""What a recording was recognised for, and where the consent is kept; both came with this version."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0012", "0011"


def upgrade() -> None:
    """Add the columns, and the index by which a retention finds a purpose."""
    op.add_column("recognitions", sa.Column("purpose", sa.Text))
    op.add_column("recognitions", sa.Column("consent", sa.Text))
    op.create_index("recognitions_purpose", "recognitions", ["purpose", "created"])
