"""One command that shows the whole engine at work on loopback."""
