"""The nine questions asked of a table: before training, and with it."""
