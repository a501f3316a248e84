"""Split drivers: front ends for clients, back ends for driver domains, over whatever joins two cells."""
