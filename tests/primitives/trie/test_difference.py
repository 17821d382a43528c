"""Differences of two tries against dictionaries; shared parts are not visited."""

from hypothesis import given, settings

from primitives.trie import EMPTY, MemoryNodes, Node, Ref, Trie, differences
from tests.primitives.trie.test_trie import BLOCKS, KEYS, apply


@settings(max_examples=150, deadline=None, derandomize=True)
@given(blocks=BLOCKS, prefix=KEYS)
def test_differences_are_those_of_the_dictionaries(
    blocks: list[dict[bytes, bytes | None]], prefix: bytes
) -> None:
    nodes, roots, models = MemoryNodes(), [EMPTY], [dict[bytes, bytes]()]
    for changes in blocks:
        update = Trie(nodes, roots[-1]).update(changes, nodes.allocate)
        nodes.keep(update)
        roots.append(update.root)
        models.append(apply(models[-1], changes))
    for old in {0, len(roots) // 2}:
        for new in {len(roots) - 1, 0}:
            before, after = models[old], models[new]
            expected = [
                (key, before.get(key), after.get(key))
                for key in sorted({*before, *after})
                if key.startswith(prefix) and before.get(key) != after.get(key)
            ]
            found = differences(Trie(nodes, roots[old]), Trie(nodes, roots[new]), prefix)
            assert list(found) == expected


class Counting(MemoryNodes):
    """Counts what is read."""

    read_count = 0

    def node(self, ref: Ref) -> Node:
        self.read_count += 1
        return super().node(ref)


def test_what_two_tries_share_is_not_visited() -> None:
    nodes = Counting()
    entries = {number.to_bytes(4, "little"): b"v" * 40 for number in range(4096)}
    first = Trie(nodes, EMPTY).update(dict(entries), nodes.allocate)
    nodes.keep(first)
    key = (77).to_bytes(4, "little")
    second = Trie(nodes, first.root).update({key: b"w" * 40}, nodes.allocate)
    nodes.keep(second)
    nodes.read_count = 0
    found = list(differences(Trie(nodes, first.root), Trie(nodes, second.root)))
    assert found == [(key, b"v" * 40, b"w" * 40)]
    assert nodes.read_count < 20
