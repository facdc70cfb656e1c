"""Logs and generated traffic into a warehouse: lines to hits, hits to sessions, sessions to facts."""
