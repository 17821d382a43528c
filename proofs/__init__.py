"""Erasure code, storage proofs and fingerprints: prover and verifier side by side, one verifier for all."""
