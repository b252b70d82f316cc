"""What is done, kept, missing and audited, and who does it."""
