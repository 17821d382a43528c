"""Sizes of plots, in integers, and the rate at which a plot answers challenges.

A plot of size k is a Chia proof-of-space table. Its bytes vary from plot to plot (±13 % at k = 18,
below 1 % from k = 22), so a plot is credited with a nominal size and given room up to a bound.
"""

PLOT_K_MIN = 18
PLOT_K_MAX = 32
SEED_BYTES = 32
CHALLENGE_BYTES = 32
# chia-blockchain's UI_ACTUAL_SPACE_CONSTANT_FACTOR: bytes of a plot over (2k + 1)·2^(k-1).
NOMINAL_PER_MILLE = 780
DISK_PER_MILLE_MAX = 1000
RATE_BITS = 20
# Chia's proof of space: values of k + 6 bits fall into groups of 15113, called kBC there.
MATCH_EXTRA_BITS = 6
MATCH_GROUP = 15_113
# 1 + 2 + 4 + ... of six steps, each of which squares what those before it lost.
MATCHES = 63
TEMP_PER_MILLE_MAX = 2500


def _check_k(k: int) -> None:
    if not PLOT_K_MIN <= k <= PLOT_K_MAX:
        raise ValueError(f"plots have k from {PLOT_K_MIN} to {PLOT_K_MAX}, not {k}")


def _entry_bytes(k: int) -> int:
    _check_k(k)
    return (2 * k + 1) << (k - 1)


def plot_bytes(k: int) -> int:
    """The nominal size that a plot is credited with. Raises: ValueError for an unknown k."""
    return _entry_bytes(k) * NOMINAL_PER_MILLE // 1000


def plot_disk_bytes_max(k: int) -> int:
    """More than any plot file of this k takes, so that a quota holds."""
    return _entry_bytes(k) * DISK_PER_MILLE_MAX // 1000


def plot_temp_bytes_max(k: int) -> int:
    """More than plotting takes in the temporary directory, the finished plot included."""
    return _entry_bytes(k) * TEMP_PER_MILLE_MAX // 1000


def proof_bytes(k: int) -> int:
    """The length of a proof: 64 values of k bits."""
    _check_k(k)
    return 8 * k


def answer_rate(k: int) -> int:
    """λ in units of 2^-20, rounded down: an honest plot answers a challenge with probability
    1 - e^(-λ).

    λ is the mean number of entries in a plot's last table for each of its 2^k challenges. A table
    of n·2^k entries leads to one of n²·(1 - MATCH_GROUP/2^(k+6))·2^k: entries match those of the
    next group of values, and the last group has no next one. Six such steps begin with n = 1.
    docs/specs/pois.md has what was measured.
    """
    _check_k(k)
    values = 1 << (k + MATCH_EXTRA_BITS)
    share: int = (values - MATCH_GROUP) ** MATCHES  # of values ** MATCHES
    return (share << RATE_BITS) // int(values**MATCHES)
