"""What the models of a team need and where they run; adapters read as data."""
