"""What comes back: signed return paths, delivery reports and what they mean. Pure."""
