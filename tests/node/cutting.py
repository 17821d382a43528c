"""What a flood of peers that come and go does to those who listen to the network."""

from node.network.memory import MemoryNetwork


def cut_off(network: MemoryNetwork) -> None:
    """End the channels of all listeners, as if they had not kept up."""
    listeners = network._listeners._listeners
    for number in tuple(listeners):
        listeners.pop(number).send.close()
