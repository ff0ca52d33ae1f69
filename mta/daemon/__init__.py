"""The only assembly: settings to objects to processes; start, run, drain, stop."""
