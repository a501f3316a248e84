"""`cellvisor explain`: a story is run, and what its trace says is drawn."""
