"""What one stage leaves on disk for the next."""
