"""The targets, by what they read."""

from tests.fuzz.targets import doors, files, images, kernels, messages, rings

__all__ = ["doors", "files", "images", "kernels", "messages", "rings"]
