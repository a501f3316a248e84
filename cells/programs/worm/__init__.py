"""A program that takes the Linux cell over, and what it tries from there (README.md)."""
