"""Sizes of plots, in integers, and the measured rate at which a plot answers challenges.

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
    """λ in units of 2^-20: an honest plot answers a challenge with probability 1 - e^(-λ).

    Measured (docs/specs/pois.md); larger plots than the last one measured use its rate.
    """
    _check_k(k)
    return _ANSWER_RATES[min(k, max(_ANSWER_RATES))]


_ANSWER_RATES = {18: 996_147, 19: 1_027_604, 20: 1_048_576}
