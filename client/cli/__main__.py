"""``python -m client.cli`` is the program ``cess``, started by interpreter and not by script."""

from client.cli.app import main

main()
