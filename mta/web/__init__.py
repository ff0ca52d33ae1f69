"""The HTTP endpoint: beacon, click, unsubscribe, view in browser, health, metrics."""
