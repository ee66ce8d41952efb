"""Logs and events, live: exact, shared, bounded."""
