"""The second task: a picture has a disc or a ring."""
