"""`python -m ulmkit`."""

from ulmkit.cli.main import main

main()
