"""Design controls: what people write in design/, read, checked, and held against a run."""
