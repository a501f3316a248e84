"""The Linux-like personality: a kernel in Python for unmodified ARM EABI programs (README.md)."""
