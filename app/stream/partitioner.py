"""Where a key lives: the partition that every producer of ours, and Java's, chooses for it."""

from __future__ import annotations

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a key among so many, as ``murmur2_random`` and Kafka's default partitioner have it.

    >>> [partition_of(key, 8) for key in (b"exp-001", b"exp-002", b"kafka")]
    [5, 7, 4]
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bits, seed 0x9747b28c, as an unsigned number (Kafka's ``Utils.murmur2``).

    The values of Kafka's own ``UtilsTest``, there as signed numbers:

    >>> [murmur2(text) - 2**32 if murmur2(text) >= 2**31 else murmur2(text)
    ...  for text in (b"21", b"foobar", b"a-little-bit-long-string")]
    [-973932308, -790332482, -985981536]
    """
    length = len(data)
    h = (_SEED ^ length) & _MASK
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15
