"""The process that checks signatures, in a thread of this one."""

from multiprocessing import Pipe
from threading import Thread

from node.consensus.signature_worker import serve
from tests.node.net import ALICE, BOB


def test_it_answers_until_its_input_ends() -> None:
    asked_out, asked_in = Pipe(duplex=False)
    answers_out, answers_in = Pipe(duplex=False)
    thread = Thread(target=serve, args=(asked_out, answers_in))
    thread.start()
    signed = [(pair.multi_signature(b"it"), b"it", ALICE.account_id) for pair in (ALICE, BOB)]
    asked_in.send([*signed, signed[0]])
    assert answers_out.recv_bytes() == b"\x01\x00\x01"
    asked_in.send([])
    assert answers_out.recv_bytes() == b""
    asked_in.close()
    thread.join(10)
    assert not thread.is_alive()
