"""Split driver of class "net": protocol, front end, back end."""
