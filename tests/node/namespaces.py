"""Network namespaces of Linux: a machine for each node, cables between them, and two switches.

Each host is a namespace with one interface. The other end of its cable is in a namespace of the
switches, where it is plugged into one bridge or the other: moving plugs splits the network and
heals it, and no process is told. Nothing of the machine's own network is touched.

A thread of each host does its socket work, as a thread is what enters a namespace; processes that
it starts are in it, too.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from pyroute2 import NetNS, netns
from pyroute2.netlink.exceptions import NetlinkError

T = TypeVar("T")

SWITCHES = ("left", "right")
PREFIX_BITS = 24


def refusal() -> str | None:
    """Why this process may make no namespaces; None if it may."""
    name = f"cess-try-{os.getpid()}"
    try:
        netns.create(name)
        try:
            with NetNS(name) as space:
                space.link("add", ifname="try0", kind="bridge")
        except (OSError, NetlinkError) as error:
            return f"bridges are not permitted here: {error}"
    except OSError as error:
        return f"network namespaces are not permitted here: {error.strerror}"
    finally:
        with contextlib.suppress(OSError):
            netns.remove(name)
    return None


class Switchboard:
    """Hosts by name; all of them are in the left switch at first."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._board = f"cess-{os.getpid()}-board"
        self._threads: dict[str, ThreadPoolExecutor] = {}

    def space(self, name: str) -> str:
        return f"cess-{os.getpid()}-{name}"

    def ip(self, name: str) -> str:
        return f"10.83.0.{1 + self._names.index(name)}"

    def build(self) -> None:
        netns.create(self._board)
        with NetNS(self._board) as board:
            for switch in SWITCHES:
                board.link("add", ifname=switch, kind="bridge")
                board.link("set", index=board.link_lookup(ifname=switch)[0], state="up")
            for name in self._names:
                netns.create(self.space(name))
                plug = f"p-{name}"
                board.link(
                    "add",
                    ifname=plug,
                    kind="veth",
                    peer={"ifname": "eth0", "net_ns_fd": self.space(name)},
                )
                board.link("set", index=board.link_lookup(ifname=plug)[0], state="up")
                with NetNS(self.space(name)) as host:
                    cable = host.link_lookup(ifname="eth0")[0]
                    host.addr("add", index=cable, address=self.ip(name), prefixlen=PREFIX_BITS)
                    for interface in ("lo", "eth0"):
                        index = host.link_lookup(ifname=interface)[0]
                        host.link("set", index=index, state="up")
        self.split(())
        for name in self._names:
            self._threads[name] = ThreadPoolExecutor(
                1, initializer=netns.setns, initargs=(self.space(name),)
            )

    def split(self, right: Sequence[str]) -> None:
        """Plug these hosts into the right switch, and the others into the left one."""
        with NetNS(self._board) as board:
            for name in self._names:
                switch = SWITCHES[name in right]
                board.link(
                    "set",
                    index=board.link_lookup(ifname=f"p-{name}")[0],
                    master=board.link_lookup(ifname=switch)[0],
                )

    def inside(self, name: str, work: Callable[[], T]) -> T:
        """Do it in the namespace of a host."""
        return self._threads[name].submit(work).result()

    def remove(self) -> None:
        for thread in self._threads.values():
            thread.shutdown()
        for space in (*map(self.space, self._names), self._board):
            with contextlib.suppress(OSError):
                netns.remove(space)


@contextmanager
def switchboard(names: Sequence[str]) -> Iterator[Switchboard]:
    """Hosts that are gone at the end, whatever happens."""
    board = Switchboard(names)
    try:
        board.build()
        yield board
    finally:
        board.remove()
