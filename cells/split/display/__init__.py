"""Split driver of class "display": protocol, front end, back end."""
