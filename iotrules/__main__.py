"""`python -m iotrules`."""

from iotrules.cli import main

main(prog_name="iotrules")
