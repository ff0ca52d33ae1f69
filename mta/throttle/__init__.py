"""Sites, limits and retry times as functions of their arguments. Pure."""
