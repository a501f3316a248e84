"""Sensitive instructions of an image: those that need the CPU's privileged modes, and what becomes of them without."""
