"""What goes wrong with physical devices."""

from __future__ import annotations


class DeviceError(Exception):
    """The device says that it failed, or does not answer as its manual says."""
