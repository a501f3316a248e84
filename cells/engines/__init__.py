"""Engines: what executes a guest's code."""
