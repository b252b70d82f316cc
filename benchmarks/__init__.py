"""What the package costs, measured beside other ways of doing the same."""
