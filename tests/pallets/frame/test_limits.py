"""How much fits into a block."""

from pallets.frame.limits import BASE_BLOCK, BASE_EXTRINSIC, BLOCK_LENGTH, block_weights

LIMITS = block_weights(2 * 10**12)


def test_users_get_three_quarters_of_a_block() -> None:
    full = int(LIMITS.max_block.ref_time)
    assert full == 2 * 10**12
    assert LIMITS.per_class.normal.max_total is not None
    assert int(LIMITS.per_class.normal.max_total.ref_time) * 4 == full * 3
    assert int(BLOCK_LENGTH.max.normal) * 4 == int(BLOCK_LENGTH.max.operational) * 3


def test_the_largest_extrinsic_fits_into_an_empty_block() -> None:
    for limits in (LIMITS.per_class.normal, LIMITS.per_class.operational):
        assert limits.max_extrinsic is not None
        assert limits.max_total is not None
        used = BASE_BLOCK.ref_time + BASE_EXTRINSIC.ref_time + int(limits.max_extrinsic.ref_time)
        assert used == int(limits.max_total.ref_time)


def test_inherents_have_no_limit() -> None:
    mandatory = LIMITS.per_class.mandatory
    assert (mandatory.max_extrinsic, mandatory.max_total, mandatory.reserved) == (None, None, None)
