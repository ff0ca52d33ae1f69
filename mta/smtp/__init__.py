"""The SMTP client's grammar and its dialogue as a state machine. Pure: bytes in, values out."""
