"""Sweeps: one device over a grid of flavours, boards, keys of its topology and costs, each point a run of its own."""
