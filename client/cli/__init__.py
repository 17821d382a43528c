"""The program ``cess``: one command for everybody, each group in a module of its own."""

from client.cli.app import cess, main

__all__ = ["cess", "main"]
