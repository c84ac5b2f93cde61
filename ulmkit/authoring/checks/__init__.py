"""What `language check` asks, by the grade that each answer counts towards."""
