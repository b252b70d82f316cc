"""What is measured beside the report's own training runs, a module each."""
