"""``python -m folkmoot.cli``."""

from folkmoot.cli import main

main()
