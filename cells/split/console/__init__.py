"""Split driver of class "console": protocol, front end, back end."""
