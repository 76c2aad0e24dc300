"""Where calls, their events and what was promised with them are kept: a port, and its engines."""
