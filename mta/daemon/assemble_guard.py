"""The guard from settings."""

from mta.bounce.guard import Thresholds
from mta.config.settings import Settings
from mta.keeper.guard import Doors, Guard
from mta.keeper.guard import Settings as GuardSettings
from mta.keeper.keeper import Keeper
from mta.queue.campaigns import Campaigns
from mta.queue.control import Control
from mta.queue.guardbook import GuardBook
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.progress import Progress


def thresholds(settings: Settings) -> Thresholds:
    """Return what the settings put up with."""
    given = settings.guard
    return Thresholds(
        given.complaints_warn, given.complaints_stop, given.unknown_warn, given.unknown_stop,
        given.least, given.least_complaints, int(given.window * 1000),
    )  # fmt: skip


def plan(settings: Settings) -> GuardSettings:
    """Return the settings' part of the guard."""
    return GuardSettings(thresholds(settings), settings.guard.hold, settings.guard.classes == "all")


def guard(settings: Settings, client: Client, keys: Keys) -> Guard | None:
    """Return the guard; None when it is off."""
    if not settings.guard.on:
        return None
    book = GuardBook(client, keys)
    doors = Doors(book, Control(client, keys), Campaigns(client, keys), Progress(client, keys))
    return Guard(plan(settings), doors)


def reload(keeper: Keeper, settings: Settings) -> None:
    """Let a running guard judge by new thresholds, begin to, or stop; what it holds stays held."""
    doors = keeper.doors
    if not settings.guard.on:
        doors.guard = None
    elif doors.guard is not None:
        doors.guard.settings = plan(settings)
    else:
        doors.guard = guard(settings, doors.campaigns.client, doors.campaigns.keys)
        if doors.guard is not None:
            doors.guard.counted = keeper.counted
