"""What collaboration did: who changed whose mind, and whether the whole was more than its members."""
