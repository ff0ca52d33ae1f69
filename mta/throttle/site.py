"""Names of sites: the receiving systems that limits and order are kept for.

A site's name goes into key names, lanes and metrics, so it has one alphabet, one case and a bound, whatever the
DNS of a stranger holds.
"""

from hashlib import sha256
from typing import Final

from mta.address import AddressError, domain_of

MOST: Final = 128  # characters of a site's name
ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789._-"  # and one colon in names made here
_DIGEST: Final = 32  # hex digits that stand for what a name can't hold


def plain(name: str) -> str:
    """Return a domain or host name as names are compared: lower case, A-labels, no trailing dot."""
    name = name.removesuffix(".").lower()
    if not name.isascii():
        try:
            return domain_of(name)
        except AddressError:
            return name  # spelled out as a digest by `named`
    return name


def named(name: str) -> str:
    """Return the site's name for a plain domain or host: itself, or its end and a digest where it doesn't fit.

    Only names made here hold a colon, so none falls together with one that is a plain name.
    """
    # strip() leaves something over exactly when a character outside the alphabet is in it: no regex, in C.
    if name and len(name) <= MOST and not name.strip(ALPHABET):
        return name
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGEST]
    tail = name[-(MOST - _DIGEST - 1) :]
    return "".join(char if char in ALPHABET else "_" for char in tail) + ":" + digest
