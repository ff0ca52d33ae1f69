"""Delivery: take a batch, open or reuse a session, render, send, settle."""
