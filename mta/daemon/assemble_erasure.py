"""From settings to what erases a person: the keeper's on order, the command's at once."""

from mta.archive.archive import Archive
from mta.config.settings import Settings
from mta.keeper.erasure import Erasure, Places
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.suppression import Suppressions


def erasure(
    settings: Settings, client: Client, keys: Keys, suppressions: Suppressions, archive: Archive
) -> Erasure:
    """Return what erases people from Redis and from this machine's files."""
    paths = settings.paths
    places = Places(
        archive, paths.spool / "reports", paths.spool, paths.journal, settings.mail_log, settings.transcript
    )
    return Erasure(client, keys, suppressions, places)
