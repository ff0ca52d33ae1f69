"""A real worker, as the stories of `tests/scenarios` have it."""

from tests.scenarios.conftest import trusting, world

__all__ = ["trusting", "world"]
