"""What the book measures, the training runs of the report among it: a module each."""
