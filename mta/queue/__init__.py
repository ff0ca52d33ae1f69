"""The queue's door: everything that speaks to Redis lives here, and only here."""
