"""Talking to a server: connections, limits, retries, and what to make of a failure."""
