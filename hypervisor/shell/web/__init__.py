"""A running topology on a page of this host: its displays live with the mouse as the pen, its cells, their consoles."""
