"""Which calls wait for replicas (`redis.replicas`): those that change what a fail-over must not lose.

Replication is asynchronous: a primary answers before its replicas have the write, and one that is promoted then does
not know it. WAIT behind the call makes the reply mean that so many have it.
"""

from collections.abc import Sequence
from typing import Any

REPLICA_MS = 2000  # a replica in step has a write within a millisecond
READS = frozenset(
    {
        "ACL", "AUTH", "CLIENT", "CLUSTER", "CONFIG", "DBSIZE", "ECHO", "EXISTS", "GET", "HELLO", "HEXISTS", "HGET",
        "HGETALL", "HKEYS", "HLEN", "HMGET", "HSCAN", "HVALS", "INFO", "KEYS", "LINDEX", "LLEN", "LRANGE", "MEMORY",
        "MGET", "PING", "SCAN", "SCRIPT", "SMEMBERS", "TIME", "TTL", "TYPE", "WAIT", "XINFO", "XLEN", "XPENDING",
        "XRANGE", "XREAD", "XREADGROUP", "XREVRANGE", "ZCARD", "ZRANGE", "ZRANGEBYSCORE", "ZREVRANGE", "ZSCORE",
    }
)  # fmt: skip
# What is not known counts as a write. XREADGROUP is none: what it lost is read again.


def writes(words: Sequence[Any]) -> bool:
    """Return whether a call, as redis-py has it, changes what a fail-over must not lose."""
    name = words[0].decode() if isinstance(words[0], bytes) else str(words[0])
    return name.partition(" ")[0].upper() not in READS
