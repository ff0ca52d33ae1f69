"""Settings: one typed tree, its defaults, and where values come from (file, drop-ins, environment)."""
