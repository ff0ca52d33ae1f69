"""What the engine counts: a catalogue, cheap counters for hot paths, their merge over processes, their exposition."""
