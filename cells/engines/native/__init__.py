"""The C extension of the ARM engine and of the world switch."""
