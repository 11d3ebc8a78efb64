"""What a task brings to radiotrace/."""
