"""Fingerprints of works for MDRC: exact identity and similarity codes (docs/specs/mdrc.md)."""
