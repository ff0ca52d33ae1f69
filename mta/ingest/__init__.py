"""From the public submit streams into the private lanes."""
