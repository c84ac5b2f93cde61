"""Pages and plots that need nothing else to be looked at."""
