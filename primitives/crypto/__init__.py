"""Keys, signatures and addresses: sr25519, ed25519 and ecdsa as Substrate uses them."""
