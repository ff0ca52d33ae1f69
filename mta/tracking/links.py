"""The addresses of the tracking service: `base` is scheme and host, a path may follow, without a slash at its end."""


def open_url(base: str, token: str) -> str:
    """Return the beacon's address."""
    return f"{base}/o/{token}.gif"


def click_prefix(base: str, token: str) -> str:
    """Return what all links of one message begin with; `/` and the link's number follow."""
    return f"{base}/c/{token}"


def unsubscribe_url(base: str, token: str) -> str:
    """Return the address that a one-click POST goes to (RFC 8058), and a reader who wants no more mail."""
    return f"{base}/u/{token}"


def view_url(base: str, token: str) -> str:
    """Return the address of the message as a web page."""
    return f"{base}/v/{token}"
