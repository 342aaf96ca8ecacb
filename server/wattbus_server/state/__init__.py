"""State: the latest values of every device in memory, those who watch them, and the polls that bring them in."""
