"""Named rules that find moments, and what a recording comes to in words.

Summaries came with this version. All directories have `modified` 0 until the next start of the service has read
each result.json once, and given its recognition the summary; `emovox archive import` does it, too.
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0010", "0009"


def upgrade() -> None:
    """Make the table, add the columns, and let all that is listed be read again."""
    op.create_table(
        "flags",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.add_column("recognitions", sa.Column("summary", sa.Text))
    op.add_column("recognitions", sa.Column("summary_recognized", sa.Text))
    op.execute(sa.text("UPDATE directories SET modified = 0"))
