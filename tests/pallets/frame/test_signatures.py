"""Checking signatures apart, and remembering the good ones."""

from pallets.frame.signatures import SignatureCache, SignatureCheck, check_signature
from primitives.crypto.keys import KeyPair
from primitives.types import AccountId

ALICE = KeyPair.from_suri("//Alice")


def check(payload: bytes = b"payload", pair: KeyPair = ALICE) -> SignatureCheck:
    return SignatureCheck(pair.multi_signature(payload), payload, pair.account_id)


def test_a_good_signature_is_good_and_others_are_not() -> None:
    good = check()
    assert check_signature(good)
    assert not check_signature(good._replace(payload=b"another"))
    assert not check_signature(good._replace(signer=AccountId(bytes(32))))


def test_all_schemes_are_checked() -> None:
    for scheme in ("sr25519", "ed25519", "ecdsa"):
        assert check_signature(check(pair=KeyPair.from_suri("//Bob", scheme)))


def test_only_successes_are_remembered() -> None:
    asked: list[SignatureCheck] = []

    def verify(question: SignatureCheck) -> bool:
        asked.append(question)
        return question.payload != b"bad"

    cache = SignatureCache(verify=verify)
    good, bad = check(), check()._replace(payload=b"bad")
    assert [cache(good), cache(good), cache(bad), cache(bad)] == [True, True, False, False]
    assert asked == [good, bad, bad]
    assert cache.knows(good.key())
    assert not cache.knows(bad.key())


def test_a_remembered_signature_vouches_for_nothing_else() -> None:
    cache = SignatureCache()
    good = check()
    assert cache(good)
    assert not cache(good._replace(payload=b"another fork"))
    assert not cache(good._replace(signer=KeyPair.from_suri("//Bob").account_id))


def test_the_oldest_results_are_forgotten() -> None:
    cache = SignatureCache(size_max=2, verify=lambda question: True)
    keys = [check(bytes((index,))).key() for index in range(3)]
    for key in keys:
        cache.remember(key)
    assert [cache.knows(key) for key in keys] == [False, True, True]
