"""``python -m client.cli`` is the program ``cess``, started by an interpreter and not by a script."""

from client.cli.app import main

main()
