"""Proofs: erasure code, service proofs (PoDR²), idle proofs (PoIS) and fingerprints.

Prover and verifier stand side by side, so that the miner, the pallets and the client share one
implementation. Everything a node verifies is integers and bytes; nothing here reads a clock, draws
randomness or opens a socket. Heavy libraries load on first use: importing a verifier must not cost
a node the memory of a prover.
"""
