"""PoDR²: proofs that a miner holds its service data, by KZG commitments (docs/specs/podr2.md)."""
