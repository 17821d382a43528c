"""Transactions that wait for a block: the pool's core, who watches them, and its trio shell."""
