"""The network's door: host names to addresses, sockets and TLS to sessions."""
