"""The task of tables: the risk of an event from what is known of a person, binary or by a time."""
