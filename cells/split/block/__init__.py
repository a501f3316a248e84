"""Split driver of class "block": protocol, front end, back end."""
