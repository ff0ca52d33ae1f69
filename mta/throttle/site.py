"""Which receiving system a domain belongs to: the unit that limits and order are kept for."""


def site_of(domain: str) -> str:
    """Return the site of a recipient domain. Today each domain is a site of its own."""
    return domain
