"""The phone: its user interface (an ARM Linux program in C), and what its cells say to each other."""
