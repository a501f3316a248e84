"""Virtio devices with memory-mapped registers, for unmodified kernels in machine cells; driver domains are behind them."""
