"""Host names against patterns: those of an MTA-STS policy, of a certificate, and of the operator.

All are compared in lower case as A-labels. A wildcard is one whole left-most label and stands for one label
(RFC 8461 section 4.1, RFC 9525 section 6.3).
"""

from collections.abc import Iterable


def matches(pattern: str, host: str) -> bool:
    """Return whether `*.example.com` or `mx.example.com` covers a host; a wildcard needs two labels after it."""
    pattern, host = pattern.lower().removesuffix("."), host.lower().removesuffix(".")
    if not pattern.startswith("*."):
        return bool(pattern) and "*" not in pattern and pattern == host
    parent = pattern[2:]
    label, _, rest = host.partition(".")
    return bool(label) and "." in parent and "*" not in parent and rest == parent


def covers(presented: Iterable[str], wanted: Iterable[str]) -> bool:
    """Return whether one of a certificate's names is one of those asked for.

    `wanted` are host names, or `.example.com` for every name below it.
    """
    names = [name.lower().removesuffix(".") for name in presented]
    for want in wanted:
        if want.startswith("."):
            tail = want.lower()
            # "*.example.com" lies below ".example.com" as every name it stands for does.
            if any(name.endswith(tail) and len(name) > len(tail) for name in names):
                return True
        elif any(matches(name, want) for name in names):
            return True
    return False
