"""Measurements of the engine: every figure comes from a command in here that prints JSON."""
