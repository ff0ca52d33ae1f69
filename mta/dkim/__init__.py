"""DKIM signing (RFC 6376, 8301, 8463): canonical forms, keys, signatures. Pure."""
