"""What the monitor and its cells share: records of the world switch, hypercall numbers, status codes, messages."""
