"""Experiments on participation: scaling, diversity, priorities, emergence; and the choice of a team."""
