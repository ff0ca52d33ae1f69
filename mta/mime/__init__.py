"""Messages as bytes: templates compiled once, rendered per recipient. Pure."""
