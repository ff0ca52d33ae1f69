"""`python -m mta`."""

from mta.cli.main import main

main()
