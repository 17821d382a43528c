"""Chain specs: the constants of a chain, its genesis, and the JSON files that carry both.

This package holds data and checks it; the state of block 0 is built from it by the runtime.
"""
