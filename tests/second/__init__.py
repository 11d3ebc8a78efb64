"""A second task, as small as a task can be: is there a disc or a ring in a picture of 16 x 16 pixels?

What lies below this folder is what a task brings, at the places at which it lies in the repository:
tests/test_second_task.py lays it into a copy, and runs a study of it from its data to its evidence.
"""
