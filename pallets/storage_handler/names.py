"""Which names a territory may have. Pure, and the same on every version of Python.

A name is shown on terminals and web pages, so it must not be able to fool them: control characters
act on a terminal, invisible and direction characters make two names look alike. Which characters
those are is written here and not asked of ``unicodedata``, whose tables change between versions.
"""

__all__ = ["is_proper_name"]

_FORBIDDEN = (
    range(0x20),  # C0 controls
    range(0x7F, 0xA0),  # delete, C1 controls
    range(0xAD, 0xAE),  # soft hyphen
    range(0x200B, 0x2010),  # zero width, marks of direction
    range(0x2028, 0x202F),  # separators of lines, embeddings and overrides of direction
    range(0x2060, 0x2070),  # invisible operators, isolates
    range(0xFEFF, 0xFF00),  # byte order mark
    range(0xFFF9, 0xFFFC),  # annotations
    range(0xE0000, 0xE0080),  # tags
)


def is_proper_name(name: bytes) -> bool:
    """Whether ``name`` is UTF-8, not empty, and without control or invisible characters."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return False
    return len(text) > 0 and not any(
        ord(letter) in forbidden for letter in text for forbidden in _FORBIDDEN
    )
