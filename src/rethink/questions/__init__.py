"""What can be measured of one of the nine questions, a module each."""
