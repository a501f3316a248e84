"""Measurements: of the emulator on its host (`benchmarks.host`). Samples are files; tables are rendered from files."""
