"""The vocabulary of the chain: codec, sized integers, hashing, keys, headers, extrinsics, tries.

Everything here is pure (the keystore alone touches files) and imports nothing of ours.
"""
