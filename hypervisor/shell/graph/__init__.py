"""`cellvisor graph`: who reaches whom by which right, whom each cell must trust, and how large what everybody trusts is."""
