"""The pure core of the monitor: events in, effects out."""
