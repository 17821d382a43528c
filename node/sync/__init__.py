"""Getting the chain from peers, and giving it to them.

``core`` decides what to ask of whom (``events`` are its inputs and effects, ``peers``, ``runs``,
``wants`` and ``proofs_wanted`` its parts); ``warp`` and ``state`` make and check what a node begins
with that leaves history out; ``serving`` answers peers; ``shell`` does it all over a network.
"""
