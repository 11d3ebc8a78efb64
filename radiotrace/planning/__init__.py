"""Planning: parameters of a study out of what its train part is like, and a budget."""
