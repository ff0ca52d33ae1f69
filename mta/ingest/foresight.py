"""What an entry will need is looked up while it is being opened: whom somebody waits for has fewer waits in turn."""

from dataclasses import dataclass

from mta.mime.compiled import Compiled
from mta.tenancy import Profile


@dataclass(frozen=True, slots=True)
class Foresight:
    """The tenant's profile if it is known; of a message's recipients in their order why they get no mail, and its
    content, which is made while Redis answers."""

    profile: Profile | None = None
    suppressed: list[str] | None = None
    compiled: Compiled | None = None
