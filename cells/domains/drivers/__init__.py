"""Drivers of physical devices, by registers: what runs in a driver domain and nowhere else."""
