"""`python -m emovox`."""

from emovox.cli import main

main()
