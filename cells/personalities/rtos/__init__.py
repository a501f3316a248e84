"""A real-time kernel in Python for tasks in Python and in ARM code (README.md)."""
