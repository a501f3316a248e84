"""Personalities: small guest kernels in Python that run ARM programs on the engine."""
