"""Inspection: what lies in a folder that nobody has prepared. Headers are read, pixels are not; of who is
shown in them, only how many they are is said."""
