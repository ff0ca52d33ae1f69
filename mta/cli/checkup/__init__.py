"""What `mta doctor` looks at, one matter a file; each gives findings with their cure."""
