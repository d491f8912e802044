"""`python -m terrarium`."""

from terrarium.cli import main

main()
