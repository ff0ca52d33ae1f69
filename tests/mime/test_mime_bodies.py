"""Bodies are made when they are asked for, once each, and never with what the document forbids."""

import pytest

from mta.mime.bodies import Bodies, Body, Kind
from mta.mime.items import html_items, resolve
from mta.mime.structure import text_part


class Maker:
    def __init__(self) -> None:
        self.asked: list[Kind] = []

    def __call__(self, kind: Kind) -> Body:
        self.asked.append(kind)
        page = resolve(html_items('<a href="https://example.net/">x</a>', []), clicks=kind[0], opens=kind[1])
        return text_part("html", page, in_base64=False), page


def test_only_what_is_asked_for_is_made_and_that_once() -> None:
    make = Maker()
    bodies = Bodies(make, clicks=True, opens=True)
    assert make.asked == []
    first = bodies.layout(True, False)
    assert bodies.page(True, False)
    assert bodies.layout(True, False) is first
    assert make.asked == [(True, False)]
    assert bodies.layout(True, True) is not first


@pytest.mark.parametrize("clicks", [False, True])
@pytest.mark.parametrize("opens", [False, True])
def test_what_the_document_does_not_track_is_the_same_body(clicks: bool, opens: bool) -> None:
    make = Maker()
    bodies = Bodies(make, clicks=clicks, opens=opens)
    made = {id(bodies.layout(c, o)) for c in (False, True) for o in (False, True)}
    assert len(made) == len(make.asked) == (1 + clicks) * (1 + opens)
    assert all(clicks >= c and opens >= o for c, o in make.asked)
