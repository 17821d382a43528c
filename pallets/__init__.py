"""The runtime's pallets and, in ``frame``, the kernel that they are written in."""
