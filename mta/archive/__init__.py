"""Daily files that keep every accepted entry and every event."""
