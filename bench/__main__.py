"""``python -m bench`` is the `smallclaims` command."""

from bench.cli import main

main()
