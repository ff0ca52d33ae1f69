"""What a connection must be like before mail goes over it: TLS policies, routes; decided from plain values."""
