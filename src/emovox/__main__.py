"""The program: `emovox`, and `python -m emovox`."""

import sys

from emovox import interrupts


def main() -> None:
    """Run the command line and exit, also when it is interrupted while it loads."""
    interrupts.end_at_once()
    try:
        from emovox.cli import main as run  # noqa: PLC0415  from here on an interrupt is no traceback

        run()
    except KeyboardInterrupt:  # another one, while the first was seen to
        sys.exit(interrupts.CODE)
    finally:
        interrupts.end_at_once()


if __name__ == "__main__":
    main()
