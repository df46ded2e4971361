"""The six interests: each module draws questions of one kind, with answers worked out by rule."""
