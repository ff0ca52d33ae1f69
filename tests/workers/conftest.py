"""A real worker against scripted receivers, as the stories of `tests/scenarios` have it."""

from tests.scenarios.conftest import world

__all__ = ["world"]
