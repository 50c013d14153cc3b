"""Runs the command line: `python -m inbox`."""

from inbox.cli import main

main(prog_name="python -m inbox")
