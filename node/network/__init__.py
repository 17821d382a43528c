"""Peers: who they are, what they send, what they may ask, and what misbehaving costs them."""
