"""SchedulerCredit: what validators' work has been worth."""

from pallets.scheduler_credit.merit import CREDIT_MAX, NEUTRAL
from pallets.scheduler_credit.pallet import SchedulerCredit
from pallets.scheduler_credit.types import SchedulerCounterEntry

__all__ = ["CREDIT_MAX", "NEUTRAL", "SchedulerCounterEntry", "SchedulerCredit"]
