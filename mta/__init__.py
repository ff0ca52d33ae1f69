"""mta: a high-throughput outbound mail delivery engine."""

__version__ = "0.1.0"
