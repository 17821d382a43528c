"""Forty-eight bytes that are no commitment, or not the only way to write one."""

FIELD = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f624"
    "1eabfffeb153ffffb9feffffffffaaab",
    16,
)
COMPRESSED, INFINITY, SIGN = 0x80, 0x40, 0x20


def encoded(x: int, flags: int) -> bytes:
    raw = bytearray(x.to_bytes(48, "big"))
    raw[0] |= flags
    return bytes(raw)


def is_square(value: int) -> bool:
    return pow(value, (FIELD - 1) // 2, FIELD) == 1


def on_curve(x: int) -> bool:
    """Whether a point of y² = x³ + 4 has this x."""
    return is_square((x**3 + 4) % FIELD)


OFF_CURVE = encoded(next(x for x in range(1, 99) if not on_curve(x)), COMPRESSED)
# The curve has about 2^126 times as many points as the subgroup: one with a small x is outside.
OUTSIDE_SUBGROUP = encoded(next(x for x in range(1, 99) if on_curve(x)), COMPRESSED)

BAD_POINTS = {
    "off the curve": OFF_CURVE,
    "outside the subgroup": OUTSIDE_SUBGROUP,
    "outside the subgroup, the other": encoded(
        next(x for x in range(1, 99) if on_curve(x)), COMPRESSED | SIGN
    ),
    "x above the field": encoded(FIELD, COMPRESSED),
    "x of all ones": b"\xbf" + b"\xff" * 47,
    "not compressed": encoded(next(x for x in range(1, 99) if on_curve(x)), 0),
    "zeros": bytes(48),
    "infinity with a sign": bytes([COMPRESSED | INFINITY | SIGN]) + bytes(47),
    "infinity with an x": bytes([COMPRESSED | INFINITY]) + bytes(46) + b"\x01",
    "infinity not compressed": bytes([INFINITY]) + bytes(47),
}
