"""The ARM engine in user mode, frames, page tables and address spaces, for every personality (README.md)."""
