"""What a miner may announce as the place where it serves fragments. Pure.

Clients connect to it and terminals show it, so it is a URL of the two schemes that holders speak,
in printable ASCII without spaces. Whether the host answers, and whether it is one that a client
should talk to, is the client's to find out.
"""

__all__ = ["is_endpoint"]

_SCHEMES = (b"http://", b"https://")


def is_endpoint(url: bytes) -> bool:
    """Whether ``url`` has a scheme and a host, and no byte that is not printable ASCII."""
    if not all(0x21 <= byte <= 0x7E for byte in url):
        return False
    for scheme in _SCHEMES:
        if url.startswith(scheme):
            host = url[len(scheme) :]
            return len(host) > 0 and host[:1] not in b"/?#:"
    return False
