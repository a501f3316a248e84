"""Guests: everything that runs inside a cell's process."""
