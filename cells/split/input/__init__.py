"""Split driver of class "input": protocol, front end, back end."""
