"""Everything that is read from somebody who is not trusted, under bytes that nobody meant: see README.md."""
