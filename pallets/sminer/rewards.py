"""How an earned reward is paid: half of it at once, half over 90 days.

Pure arithmetic. Nothing is lost to rounding: what the daily part cannot divide is paid at once.
At most 91 orders are unfinished at a time, because claims of one day share an order.
"""

from dataclasses import replace

from pallets.sminer.types import RELEASE_DAYS, Reward, RewardOrder, RewardOrders
from primitives.scale import U8, U32
from primitives.types import Balance

__all__ = ["claim", "unpaid"]


def claim(reward: Reward, earned: Balance, day: U32) -> tuple[Reward, Balance]:
    """Add ``earned`` on ``day`` and take what is due by then: the new record and the payment.

    ``day`` never falls from one claim to the next.
    """
    each = int(earned) // 2 // RELEASE_DAYS
    due = int(earned) - each * RELEASE_DAYS
    orders: list[RewardOrder] = []
    for order in reward.order_list:
        count = min(RELEASE_DAYS, int(day) - int(order.day))
        due += (count - int(order.receive_count)) * int(order.each_amount)
        if count < RELEASE_DAYS:
            orders.append(replace(order, receive_count=U8(count)))
    if each > 0:
        if orders and orders[-1].day == day:
            merged = Balance(int(orders[-1].each_amount) + each)
            orders[-1] = replace(orders[-1], each_amount=merged)
        else:
            orders.append(RewardOrder(receive_count=U8(0), each_amount=Balance(each), day=day))
    updated = replace(
        reward,
        total_reward=Balance(reward.total_reward + earned),
        reward_issued=Balance(reward.reward_issued + due),
        order_list=RewardOrders(orders),
    )
    return updated, Balance(due)


def unpaid(reward: Reward) -> Balance:
    """What of the record's total is not paid yet."""
    return Balance(reward.total_reward - reward.reward_issued)
