"""What each contribution is worth: coalitions of a team, Shapley values and leave-one-out, cost, authorship, priority gain."""
