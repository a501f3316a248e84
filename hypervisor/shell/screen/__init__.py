"""Displays of a running topology in a terminal: half blocks, sixel or kitty graphics, with the mouse as the pen."""
