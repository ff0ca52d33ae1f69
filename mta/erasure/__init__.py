"""What erasing a person means: how an event, a document or a line looks without them. Pure."""
