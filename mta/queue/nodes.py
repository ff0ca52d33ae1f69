"""The nodes behind a connection, one by one: a single server is one node, a cluster has several."""

from mta.queue.cluster import Cluster
from mta.queue.link import Client, QueueDown, Server, UnsafeServer, check
from mta.queue.slots import View


async def each(client: Client) -> list[Client]:
    """Return a client for each node that holds data; raise QueueDown."""
    return await client.primaries() if isinstance(client, Cluster) else [client]


async def check_all(client: Client, server: Server, *, durability: str) -> dict[str, str]:
    """Return the facts of a server, or of a cluster's first node; raise QueueDown or UnsafeServer (promise P9).

    A cluster is unsafe when a slot has no node, when any node is (a replica may be a primary tomorrow), and when a
    primary has fewer replicas than `redis.replicas`.
    """
    if not isinstance(client, Cluster):
        return await check(client, server, durability=durability)
    view = await client.look()
    faults = coverage(view)
    for address in view.primaries:
        count = sum(primary == address for primary in view.replicas.values())
        if count < server.replicas:
            faults.append(
                f"{address[0]}:{address[1]} has {count} replicas but redis.replicas is {server.replicas};"
                " add replicas or lower redis.replicas"
            )
    if faults:
        raise UnsafeServer(f"the cluster at {server} is unsafe for mail: " + "; ".join(faults))
    facts: dict[str, str] = {}
    for address in [*view.primaries, *view.replicas]:
        one = server.one(address)
        found = await check(
            client.node(address), one, durability=durability, replica=address in view.replicas
        )
        facts = facts or found
    return facts


def coverage(view: View) -> list[str]:
    """Return what is wrong with who serves what, in words; empty when every slot has a node."""
    holes = ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in view.missing())
    if not holes:
        return []
    return [f"no node serves slots {holes}; assign them (redis-cli --cluster fix)"]


async def alive(client: Cluster) -> bool:
    """Ask every primary whether it is there; raise QueueDown for one that is not, or a slot that none serves."""
    client.stale()
    view = await client.look()
    if faults := coverage(view):
        raise QueueDown(f"Redis: {'; '.join(faults)}")
    for address in view.primaries:
        said = (await client.node(address).execute_command("CLUSTER", "INFO")).decode()
        if "cluster_state:ok" not in said:
            raise QueueDown(f"Redis: {address[0]}:{address[1]} says that the cluster is down")
    return True
