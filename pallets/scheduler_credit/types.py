"""What is counted of a validator in a period."""

from primitives.scale import U32, struct

__all__ = ["NO_WORK", "SchedulerCounterEntry"]


@struct(path="pallet_scheduler_credit::SchedulerCounterEntry")
class SchedulerCounterEntry:
    """``duties`` are slots that were given to a validator, in ``served`` of them it made a block.

    ``punishment_count`` are offences that were reported.
    """

    duties: U32
    served: U32
    punishment_count: U32


NO_WORK = SchedulerCounterEntry(duties=U32(0), served=U32(0), punishment_count=U32(0))
