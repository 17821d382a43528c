"""Getting the chain from peers, and giving it to them.

``core`` decides what to ask of whom; ``events`` are its inputs and effects; ``peers``,
``ancestry``, ``runs``, ``wants``, ``orders`` and ``proofs`` its parts. ``warp`` and ``state`` make
and check what a node begins with that leaves history out, ``bootstrap`` fetches it. ``answers`` and
``serving`` are for peers; ``shell`` does it all over a network.
"""
