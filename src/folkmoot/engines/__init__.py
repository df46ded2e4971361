"""What runs the weights. One file per engine; `contract` is what all of them promise."""
