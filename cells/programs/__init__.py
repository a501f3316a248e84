"""Guest programs that come with the project."""
