"""``python -m facenn``: the command line, for launchers such as torchrun."""

from facenn.cli import main

main()
