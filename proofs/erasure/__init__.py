"""Erasure coding: segments become fragments, and any `data` of them become the segment again."""
