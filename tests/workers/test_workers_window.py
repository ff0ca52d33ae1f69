"""How many messages a worker holds."""

from mta.workers.window import BUSY, LEAST, Window


def test_a_loop_that_waits_for_peers_takes_more_until_the_cap() -> None:
    window = Window(4096)
    for _ in range(100):
        window.lagged(0.0005, window.size)
    assert window.size == 4096


def test_a_busy_loop_takes_less_but_never_nothing() -> None:
    window = Window(4096)
    for _ in range(100):
        window.lagged(BUSY * 5, window.size)
    assert window.size == LEAST


def test_an_idle_worker_learns_nothing() -> None:
    window = Window(4096)
    before = window.size
    for _ in range(100):
        window.lagged(0.0, 0)
    assert window.size == before
