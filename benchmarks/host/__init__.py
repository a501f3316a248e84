"""The speed of the emulator on its host: `python -m benchmarks.host`."""
