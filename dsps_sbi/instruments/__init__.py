"""What the light is seen through: filters and their names."""
