"""A network in one cell: the gateway that gives addresses and leads to ports of the host."""
