"""Signed tokens, beacon and links, unsubscribe headers. Pure."""
