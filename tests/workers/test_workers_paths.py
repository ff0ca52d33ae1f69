"""Which session a batch gets, and what the queue is told of sessions."""

from dataclasses import dataclass

from mta.queue.lanes import Report
from mta.workers.paths import Paths

PATH = "default|example.net"
HOSTS = "example.net"


@dataclass(eq=False)
class Fake:
    usable: bool = True
    hosts: str = HOSTS


def paths() -> Paths[Fake]:
    return Paths(first=8, most=64)


def test_a_fresh_batch_opens_and_an_idle_session_serves_the_next() -> None:
    table = paths()
    assert table.begin(PATH, fresh=True, hosts=HOSTS) is None
    session = Fake()
    table.ready(PATH, session)
    assert table.reports() == [Report(PATH, 1, 1, 8)]
    assert table.begin(PATH, fresh=False, hosts=HOSTS) is session
    assert table.busy == 1


def test_nothing_is_told_twice_and_what_was_not_heard_is_told_again() -> None:
    table = paths()
    table.begin(PATH, fresh=True, hosts=HOSTS)
    table.ready(PATH, Fake())
    told = table.reports()
    assert table.reports() == []
    table.untold(told)
    assert table.reports() == told


def test_the_last_session_gone_gives_the_permit_back_and_forgets_the_path() -> None:
    table = paths()
    table.begin(PATH, fresh=True, hosts=HOSTS)
    table.closed(PATH)
    told = table.reports()
    assert told == [Report(PATH, 0, 0, 8)]
    assert table.table == {}
    table.untold(told)
    assert table.reports() == told, "a release that got lost would hold the permit for ever"


def test_an_idle_session_that_died_is_replaced_and_counted_once() -> None:
    table = paths()
    table.begin(PATH, fresh=True, hosts=HOSTS)
    dead = Fake(usable=False)
    table.ready(PATH, dead)
    assert table.begin(PATH, fresh=False, hosts=HOSTS) is None
    table.closed(PATH, dead)
    assert table.table[PATH].open == 1


def test_a_retiring_session_gets_no_batch_and_keeps_its_permit() -> None:
    table = paths()
    table.begin(PATH, fresh=True, hosts=HOSTS)
    session = Fake()
    table.ready(PATH, session)
    table.retire(PATH, session)
    assert table.reports() == [Report(PATH, 1, 0, 8)]


def test_batches_grow_to_what_fits_the_window_and_shrink_for_slow_receivers() -> None:
    table = paths()
    table.begin(PATH, fresh=True, hosts=HOSTS)
    table.ready(PATH, Fake())
    for _ in range(10):
        table.paced(PATH, 8, 8 * 0.001)
    assert table.table[PATH].batch == 64
    for _ in range(30):
        table.paced(PATH, 4, 4 * 0.350)
    assert table.table[PATH].batch == 1
