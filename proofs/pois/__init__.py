"""PoIS: proofs that a miner's idle space is filled with its own plots (docs/specs/pois.md)."""
